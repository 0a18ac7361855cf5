/** A bug to plant: a change of text in the compiled code, which only the laboratory makes, in a copy. */

/** Who may look for it: a part of `prove`, or files of the suite, as `test:crash/faults`. */
export type Hunter = 'power' | 'flip' | 'fuzz' | 'kill' | 'faults' | 'stores' | 'model' | `test:${string}`

export interface Edit {
  /** A file of src/, as its compiled code is named: `log/log.js`. */
  file: string
  /** Must be there exactly once. */
  find: string
  replace: string
}

export interface Mutant {
  /** What the code with this bug does. */
  what: string
  /** The guarantee of DESIGN.md that it breaks. */
  breaks: string
  /** Who is meant to find it. */
  caughtBy: Hunter
  /** Arguments of that part, instead of those that it hunts with else. */
  args?: readonly string[]
  edits: readonly Edit[]
}

export type Mutants = Readonly<Record<string, Mutant>>
