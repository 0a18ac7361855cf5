/** What the benchmarks print for people. */
import Table from 'cli-table3'
import {
  type ComparedLine,
  goalText,
  isMeasured,
  isShares,
  type Line,
  type MeasuredLine,
  type ShareLine,
} from './line.js'
import { PARTS } from './profile.js'

export function table(lines: readonly Line[]): string {
  const shares = lines.filter(isShares)
  if (shares.length > 0) return sharesTable(shares)
  const rows = new Table({ head: [...HEAD], style: { head: [], border: [] } })
  for (const line of lines) if (!isShares(line)) rows.push(cellsOf(line))
  const phases = lines.flatMap(line => (isMeasured(line) && line.peakBy !== undefined ? [phaseText(line)] : []))
  return [rows.toString(), ...phases].join('\n')
}

export const HEAD = [
  'case',
  'what',
  'against',
  'unit',
  'ours',
  'theirs',
  'ratio',
  'min … max',
  'goal',
  'met',
  'syncs/write',
] as const

export const SHARES_HEAD = ['work', 'thread', ...PARTS.map(part => `${part}, %`)]

export function sharesCellsOf({ what, thread, shares }: ShareLine): string[] {
  return [what, thread, ...PARTS.map(part => String(shares[part]))]
}

/** The cells of a line, one for each column of `HEAD`. */
export function cellsOf(line: ComparedLine): string[] {
  if (!isMeasured(line)) return [line.case, `not run: ${line.notRun}`, line.peer, '', '', '', '', '', '', '', '']
  const { ours, theirs, ratio, min, max, isMet } = line
  return [
    line.case,
    line.what,
    line.peer,
    line.unit,
    grouped(ours),
    grouped(theirs),
    ratio === null ? '' : String(ratio),
    min === null || max === null || line.pairs === 1 ? '' : `${min} … ${max}`,
    goalText(line),
    isMet === null ? '' : isMet ? 'yes' : 'NO',
    syncsText(line),
  ]
}

function sharesTable(lines: readonly ShareLine[]): string {
  const rows = new Table({ head: SHARES_HEAD, style: { head: [], border: [] } })
  for (const line of lines) rows.push(sharesCellsOf(line))
  return rows.toString()
}

/** Sync calls for each acknowledged write: ours, theirs. */
function syncsText({ syncsPerWrite }: MeasuredLine): string {
  if (syncsPerWrite === undefined) return ''
  const { ours, theirs, how } = syncsPerWrite
  const text = [ours, theirs].map(count => (count === null ? 'not counted' : String(count))).join(', ')
  return how === 'strace' ? text : `${text} (${how})`
}

function phaseText({ seconds = {}, peakBy = {} }: MeasuredLine): string {
  const phases = Object.entries(seconds).map(([name, took]) => `${name} ${took} s, ${peakBy[name] ?? '?'} MiB`)
  return `peak of each phase: ${phases.join('; ')}`
}

function grouped(value: number): string {
  return value.toLocaleString('en-US')
}
