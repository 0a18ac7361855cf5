/** What the benchmarks print: one JSON object a line, or tables for people. */
import Table from 'cli-table3'

/** A comparison, and whether its goal is met. */
export interface Line {
  case: 'P1' | 'P2'
  peer: string
  /** Medians. */
  ours: number
  theirs: number
  /** Median of the pairs' ratios, ours / theirs; `min` and `max` of them. */
  ratio: number
  unit: string
  better: 'higher' | 'lower'
  pairs: number
  min: number
  max: number
  /** The ratio to reach; `null`: shown for orientation. */
  goal: number | null
  isMet: boolean | null
  syncsPerWrite: SyncsPerWrite
}

export interface SyncsPerWrite {
  ours: number | null
  theirs: number | null
  /** How they were counted, or why not. */
  how: string
}

export interface MemoryLine {
  case: 'memory'
  peer: 'limit'
  /** Peak of the anonymous memory; `null` where the system does not tell it. */
  ours: number | null
  theirs: number
  ratio: number | null
  unit: 'MiB'
  better: 'lower'
  pairs: 1
  min: number | null
  max: number | null
  goal: 1
  isMet: boolean | null
  /** Entries that are in the memory after all. */
  entries: number
  /** Seconds of each phase, and the peak in MiB until its end. */
  seconds: Record<string, number>
  peakBy: Record<string, number>
}

/** Says on stderr what is going on, so that stdout stays clean for the results. */
export function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

export function progressEnd(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
}

export function comparisonTable(lines: readonly Line[]): string {
  const table = new Table({
    head: ['case', 'against', 'unit', 'ours', 'theirs', 'ratio', 'min … max', 'goal', '', 'syncs/write: ours, theirs'],
    style: { head: [], border: [] },
  })
  for (const line of lines) {
    const { ours, theirs } = line.syncsPerWrite
    const goal = line.goal === null ? '' : `${line.better === 'higher' ? '≥' : '≤'} ${line.goal}`
    const syncs = ours === null ? line.syncsPerWrite.how : `${ours}, ${theirs ?? line.syncsPerWrite.how}`
    table.push([
      line.case,
      line.peer,
      line.unit,
      grouped(line.ours),
      grouped(line.theirs),
      line.ratio,
      `${line.min} … ${line.max}`,
      goal,
      line.isMet === null ? '' : line.isMet ? 'met' : 'not met',
      syncs,
    ])
  }
  return table.toString()
}

export function memoryTable(line: MemoryLine): string {
  const table = new Table({ head: ['memory', 'seconds', 'peak MiB'], style: { head: [], border: [] } })
  for (const [phase, seconds] of Object.entries(line.seconds)) table.push([phase, seconds, line.peakBy[phase] ?? ''])
  const peak = line.ours === null ? 'not told by this system' : `${line.ours} MiB`
  const verdict = line.isMet === null ? '' : line.isMet ? ': met' : ': NOT met'
  return `${table.toString()}\npeak of anonymous memory ${peak}, limit ${line.theirs} MiB${verdict}`
}

function grouped(value: number): string {
  return value.toLocaleString('en-US')
}
