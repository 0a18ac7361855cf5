/** A line of results: what was measured, against whom, and whether its goal is met. */
import type { CaseName } from './options.js'
import type { Part } from './profile.js'
import { type Comparison, rounded } from './statistics.js'

export type Line = ComparedLine | ShareLine
export type ComparedLine = MeasuredLine | NotRunLine

/** A comparison that could not be made here, and why. */
export interface NotRunLine {
  case: CaseName
  peer: string
  notRun: string
}

/** profile: what one thread of ours did, as shares of its time in %. */
export interface ShareLine {
  case: 'profile'
  what: string
  thread: string
  shares: Record<Part, number>
}

export interface MeasuredLine {
  case: CaseName
  /** What is measured, in words. */
  what: string
  /** Who it is compared with; `limit`: with a fixed number, which is `theirs`. */
  peer: string
  /** Medians. */
  ours: number
  theirs: number
  /** Median of the pairs' ratios, ours / theirs; `min` and `max` of them. `null` where theirs is 0. */
  ratio: number | null
  unit: string
  better: Better
  pairs: number
  min: number | null
  max: number | null
  /** The ratio to reach, or for `flat` how far it may be from 1; `null`: shown for orientation. */
  goal: number | null
  isMet: boolean | null
  syncsPerWrite?: SyncsPerWrite
  /** P2: how long a write took, at some percentiles. */
  quantiles?: { ours: Quantiles; theirs: Quantiles }
  /** P5: seconds since the start and writes until then, again and again. */
  progress?: { ours: Progress; theirs: Progress }
  /** P9: how many keys the memory holds. conversations: how many messages the conversation has. */
  keys?: number
  /** memory: entries that are in the memory after all, seconds of each phase, and the peak in MiB during it. */
  entries?: number
  seconds?: Record<string, number>
  peakBy?: Record<string, number>
}

export type Better = 'higher' | 'lower' | 'flat'
export type Quantiles = [percent: number, value: number][]
export type Progress = [seconds: number, writes: number][]

export interface SyncsPerWrite {
  ours: number | null
  theirs: number | null
  /** How they were counted, or why not. */
  how: string
}

type Head = Pick<MeasuredLine, 'case' | 'what' | 'peer' | 'unit' | 'better' | 'goal'>
type Details = Partial<Omit<MeasuredLine, keyof Head | keyof Comparison | 'isMet'>>

export function lineOf(head: Head, comparison: Comparison, details: Details = {}): MeasuredLine {
  const { ours, theirs, ratio, min, max, pairs } = comparison
  const isMet = head.goal === null ? null : meets(head.better, ratio, head.goal)
  return {
    ...head,
    ours: rounded(ours),
    theirs: rounded(theirs),
    ratio: finite(ratio),
    pairs,
    min: finite(min),
    max: finite(max),
    isMet,
    ...details,
  }
}

export function isMeasured(line: Line): line is MeasuredLine {
  return !('notRun' in line || isShares(line))
}

export function isShares(line: Line): line is ShareLine {
  return 'shares' in line
}

/** A goal in words: `≥ 3`, `≤ 1.3`, `1 ± 0.25`. */
export function goalText({ goal, better }: MeasuredLine): string {
  if (goal === null) return ''
  if (better === 'flat') return `1 ± ${goal}`
  return `${better === 'higher' ? '≥' : '≤'} ${goal}`
}

function meets(better: Better, ratio: number, goal: number): boolean {
  if (better === 'flat') return Math.abs(ratio - 1) <= goal
  return better === 'higher' ? ratio >= goal : ratio <= goal
}

function finite(ratio: number): number | null {
  return Number.isFinite(ratio) ? rounded(ratio) : null
}
