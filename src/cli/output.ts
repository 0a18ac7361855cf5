/** What the commands print, and the codes that they end with: text for people, or one JSON object with `--json`. */
import { AgentMemoryError, systemCode, WrongCallError } from '../core/errors.js'

/** How a command has ended. docs/cli.md says the same. */
export const ExitCode = { fine: 0, problems: 1, usage: 2, notOpened: 3, ownedElsewhere: 4, warnings: 5 } as const
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]

export interface OutputOptions {
  json?: boolean
}

export interface DoctorOptions extends OutputOptions {
  lives: number
}

export interface LocatedOptions extends OutputOptions {
  /** The memory's folder, if it is not where the location says. */
  folder?: string
}

export interface RepairOptions extends LocatedOptions {
  to?: string
  yes?: boolean
}

export interface DeadLettersOptions extends LocatedOptions {
  /** The id of a letter; `true` for all of them. */
  replay?: number | true
  discard?: number
}

/** Prints the result: as text, made only if it is wanted, or as JSON. */
export function printResult(options: OutputOptions, result: object, text: () => string): void {
  process.stdout.write(`${options.json === true ? JSON.stringify(result, undefined, 2) : text()}\n`)
}

/** Prints an error, on stderr or as JSON on stdout, and says which exit code it is. An error that is a bug is thrown. */
export function printError(json: boolean, cause: unknown): ExitCode {
  const error = systemCode(cause) === undefined || isOurs(cause) ? cause : systemError(cause)
  if (!isOurs(error)) throw error
  const { code, next } = error
  const message = messageOf(error)
  if (json) process.stdout.write(`${JSON.stringify({ ok: false, error: { code, message, next } }, undefined, 2)}\n`)
  else process.stderr.write(`${code}: ${message}. ${next}\n`)
  if (error instanceof WrongCallError) return ExitCode.usage
  return code === 'OWNED_ELSEWHERE' ? ExitCode.ownedElsewhere : ExitCode.notOpened
}

/** What has happened, without what to do next. */
export function messageOf({ message, next }: AgentMemoryError | WrongCallError): string {
  const end = `. ${next}`
  return message.endsWith(end) ? message.slice(0, -end.length) : message
}

function isOurs(error: unknown): error is AgentMemoryError | WrongCallError {
  return error instanceof AgentMemoryError || error instanceof WrongCallError
}

export function systemError(cause: unknown): AgentMemoryError {
  return new AgentMemoryError('IO_ERROR', {
    message: `The system answered: ${cause instanceof Error ? cause.message : String(cause)}`,
    next: 'Look at the disk and at the rights of the folder',
    cause,
  })
}

/** Lines of a name and what there is to say of it, in two columns. */
export function rows(pairs: readonly (readonly [name: string, text: string | undefined])[]): string {
  const shown = pairs.filter(([, text]) => text !== undefined)
  const width = Math.max(...shown.map(([name]) => name.length))
  return shown.map(([name, text]) => `${name.padEnd(width)}  ${text}`).join('\n')
}

/** Columns under their heads; those whose number is in `right` are flush right. */
export function table(
  heads: readonly string[],
  lines: readonly (readonly string[])[],
  right: readonly number[] = [],
): string {
  const all = [heads, ...lines]
  const widths = heads.map((_, column) => Math.max(...all.map(line => line[column]!.length)))
  const shown = all.map(line => {
    const cells = line.map((cell, column) =>
      right.includes(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
    )
    return cells.join('  ').trimEnd()
  })
  return [shown[0], widths.map(width => '-'.repeat(width)).join('  '), ...shown.slice(1)].join('\n')
}

/** A text in lines of at most so many characters; all but the first are indented. */
export function wrapped(text: string, width: number, indent = 0): string {
  const lines = ['']
  for (const word of text.split(' ')) {
    const line = lines.at(-1)!
    if (line !== '' && line.length + 1 + word.length > width - indent) lines.push(word)
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`
  }
  return lines.join(`\n${' '.repeat(indent)}`)
}

/** A time in microseconds, with its unit. */
export function durationText(us: number): string {
  if (us < 1000) return `${us} µs`
  return us < 1_000_000 ? `${Number((us / 1000).toPrecision(3))} ms` : `${Number((us / 1_000_000).toPrecision(3))} s`
}

export function bytesText(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = bytes < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10))
  const amount = bytes / 1024 ** power
  return `${power === 0 || Number.isInteger(amount) ? amount : amount.toFixed(1)} ${units[power]}`
}

/** A number of things: `1 frame`, `2 frames`. */
export function countText(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`
}

/** A line on stderr that says how far a long command is, if a person watches. */
export class Progress {
  readonly #isShown = process.stderr.isTTY === true
  #shownAt = 0

  readonly show = (what: 'log' | 'store', done: number, total: number | undefined): void => {
    const text = total === undefined ? countText(done, 'entry', 'entries') : `${bytesText(done)} of ${bytesText(total)}`
    this.say(`${what}: ${text}`)
  }

  readonly say = (text: string): void => {
    const now = performance.now()
    if (!this.#isShown || now - this.#shownAt < 100) return
    this.#shownAt = now
    process.stderr.write(`\r\x1b[2K${text}`)
  }

  /** Takes the line away. */
  clear(): void {
    if (this.#isShown && this.#shownAt > 0) process.stderr.write('\r\x1b[2K')
  }
}
