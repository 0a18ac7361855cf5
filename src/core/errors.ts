/**
 * What can go wrong, told apart by what the reader must do: a wrong call is a `TypeError`, an operating error is an
 * `AgentMemoryError`, a broken invariant is our bug (`assert.ts`). All of them have a code that is stable across minor
 * versions, and `next`: what to do, in one sentence. Every code has its paragraph in docs/errors.md.
 */

/** Codes of operating errors: the disk, the store, another owner, a limit. */
export type ErrorCode =
  | 'BATCH_INCOMPLETE'
  | 'BATCH_TOO_LARGE'
  | 'BLOB_CHANGED'
  | 'CLOSED'
  | 'CODEC_MISSING'
  | 'DISK_FULL'
  | 'DRIVER_MISSING'
  | 'FAILED'
  | 'FOLDER_NOT_WRITABLE'
  | 'FORMAT_TOO_NEW'
  | 'IN_DOUBT'
  | 'IO_ERROR'
  | 'KEY_TOO_LONG'
  | 'LOG_CORRUPT'
  | 'LOG_FULL'
  | 'LOG_LOST'
  | 'NOT_A_MEMORY'
  | 'OVERLOADED'
  | 'OWNED_ELSEWHERE'
  | 'SCHEMA_MISMATCH'
  | 'STORE_BEHIND'
  | 'STORE_CORRUPT'
  | 'STORE_DOWN'
  | 'STORE_LOST'
  | 'STORE_REFUSED'
  | 'STORE_REGRESSED'
  | 'VALUE_TOO_LARGE'
  | 'VERSION_CONFLICT'
  | 'WRONG_STORE'

/** Codes of wrong calls: the program has to change. */
export type WrongCallCode =
  | 'INVALID_ARGUMENT'
  | 'INVALID_KEY'
  | 'INVALID_NAME'
  | 'INVALID_OPTION'
  | 'OPTIONS_DIFFER'
  | 'UNKNOWN_OPTION'
  | 'VALUE_CYCLIC'
  | 'VALUE_INVALID'
  | 'VALUE_UNSUPPORTED'

export interface ErrorDetails {
  /** What happened, with the names and numbers that matter. */
  message: string
  /** What to do next, in one sentence. */
  next: string
  cause?: unknown
}

/** The fate of a write that was accepted but could not be acknowledged: it is told once it is known. */
export type Fate = 'kept' | 'lost'

/** An operating error. `code` says which, `message` what happened, `next` what to do. */
export class AgentMemoryError extends Error {
  readonly code: ErrorCode
  readonly next: string

  constructor(code: ErrorCode, { message, next, cause }: ErrorDetails) {
    super(`${message}. ${next}`, cause === undefined ? undefined : { cause })
    this.name = 'AgentMemoryError'
    this.code = code
    this.next = next
  }
}

/** An accepted write whose promise could not be kept in time (STORE_BEHIND), or at all (IN_DOUBT). */
export class UnsettledWriteError extends AgentMemoryError {
  readonly lsn: number
  /** How far the write is known to have come. */
  readonly reached: 'tier' | 'log'
  readonly #settled: () => Promise<Fate>

  constructor(
    code: 'IN_DOUBT' | 'STORE_BEHIND',
    details: ErrorDetails & { lsn: number; reached: 'tier' | 'log'; settled: () => Promise<Fate> },
  ) {
    super(code, details)
    this.lsn = details.lsn
    this.reached = details.reached
    this.#settled = details.settled
  }

  /** Resolves once it is known whether the write was kept. Rejects with CLOSED if the memory is closed before that. */
  settled(): Promise<Fate> {
    return this.#settled()
  }
}

/** A compare-and-set that did not hold. `actual` is the version that it saw: `null` if the key was absent. */
export class VersionConflictError extends AgentMemoryError {
  readonly expected: number | null
  readonly actual: number | null

  constructor(details: ErrorDetails & { expected: number | null; actual: number | null }) {
    super('VERSION_CONFLICT', details)
    this.expected = details.expected
    this.actual = details.actual
  }
}

/** A wrong call: the program has to change. A `TypeError` with a code and a next step. */
export class WrongCallError extends TypeError {
  readonly code: WrongCallCode
  readonly next: string

  constructor(code: WrongCallCode, { message, next, cause }: ErrorDetails) {
    super(`${message}. ${next}`, cause === undefined ? undefined : { cause })
    this.code = code
    this.next = next
  }
}

/** What a schema finds wrong with a value, and where: the keys and indices that lead there. */
export interface ValueIssue {
  readonly message: string
  readonly path: readonly PropertyKey[]
}

/** A value that the schema of its map refuses. Nothing was written. */
export class InvalidValueError extends WrongCallError {
  readonly issues: readonly ValueIssue[]

  constructor(details: ErrorDetails & { issues: readonly ValueIssue[] }) {
    super('VALUE_INVALID', details)
    this.issues = details.issues
  }
}

/** The `code` of a system error such as ENOSPC, if the thing thrown has one. */
export function systemCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
