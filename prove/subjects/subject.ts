/** A store that is put to the test as a program uses it: awaited puts, and a look at what is there. */
export interface Subject {
  /** Package and version, and everything that was set: what its promise rests on. */
  configuration(): string
  open(folder: string): Promise<OpenSubject>
}

export interface OpenSubject {
  /** Resolves once the store says that the value is durable. */
  put(key: string, value: string): Promise<void>
  /** Everything that is there. */
  entries(): Promise<[key: string, value: string][]>
  close(): Promise<void>
}

/** Thrown by subjects whose store answers a put with a refusal that is no error. */
export class NotPut extends Error {
  readonly code = 'NOT_PUT'
}
