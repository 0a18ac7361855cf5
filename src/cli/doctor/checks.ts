/** What the doctor has looked at, what it makes of it, and its verdict. No check does anything: they judge figures. */

import { type FileSystemFacts, type Meaning, meaningOf } from '../disk/file-system-kind.js'
import { bytesText, countText, durationText, ExitCode } from '../output.js'
import type { Spread } from '../statistics.js'
import type { KillReport } from './kills.js'

/** `warning`: memories work here, and something that is not seen from here decides about a promise. */
export type Level = 'ok' | 'warning' | 'problem'

export interface Check {
  name: 'write' | 'file system' | 'space' | 'lock' | 'names' | 'sync' | 'kills'
  level: Level
  /** What was found, without a full stop. */
  text: string
  /** What to do about it. */
  next?: string
}

export interface Verdict {
  level: Level
  text: string
}

// The log begins with two segments of 4 MiB and goes on to ones of 64 MiB; the store comes on top.
const BYTES_FREE_MIN = 64 << 20
// What the log alone may take while the store is behind (`logBytesMax`).
const BYTES_FREE_AMPLE = 1024 << 20
const FILES_FREE_MIN = 100
// Less than the smallest file that a log begins with.
const BYTES_FILLED = 4 << 20
const NEXT_OF_NO_ROOM = 'Free some space, or choose another disk'

// The fastest disks that keep what they have after a power cut take about as long for their answer alone.
const SYNC_PLAUSIBLE_US = 20
const SYNC_SLOW_US = 20_000

export function checkKind(facts: FileSystemFacts): Check {
  const { risk, text } = meaningOf(facts)
  if (risk === 'none') return { name: 'file system', level: 'ok', text }
  return { name: 'file system', level: 'warning', text, next: nextOfRisk(risk) }
}

export function checkSpace({ bytesFree, bytesTotal, filesFree }: FileSystemFacts): Check {
  const free = `${bytesText(bytesFree)} free`
  if (bytesFree < BYTES_FREE_MIN) {
    const text = `too little room: ${free}, and the log alone grows to more than ${bytesText(BYTES_FREE_MIN)}`
    return { name: 'space', level: 'problem', text, next: NEXT_OF_NO_ROOM }
  }
  if (filesFree !== undefined && filesFree < FILES_FREE_MIN) {
    const text = `too little room: only ${countText(filesFree, 'more file')} can be made`
    return { name: 'space', level: 'problem', text, next: 'Remove some files, or choose another disk' }
  }
  if (bytesFree < BYTES_FREE_AMPLE) {
    const text = `${free}: writes are refused when it is full, and the log may take 1 GiB while the store is behind`
    return { name: 'space', level: 'warning', text, next: 'Free some space, or give the memory a smaller logBytesMax' }
  }
  return { name: 'space', level: 'ok', text: `${free} of ${bytesText(bytesTotal)}` }
}

/** Whether a disk that had room before has none left. */
export function checkFilled({ bytesFree }: FileSystemFacts): Check | undefined {
  if (bytesFree >= BYTES_FILLED) return undefined
  const text = `the disk was filled up while it was looked at: ${bytesText(bytesFree)} free`
  return { name: 'space', level: 'problem', text, next: NEXT_OF_NO_ROOM }
}

/** Figures of a block written and synced, in microseconds. */
export function checkSync(us: Spread, facts: FileSystemFacts, hasNoSyncs: boolean): Check {
  const { count, median, p99, max } = us
  const figures = `median ${durationText(median)}, p99 ${durationText(p99)}, max ${durationText(max)}, of ${countText(count, 'block')} written and synced`
  if (hasNoSyncs || facts.mountOptions.includes('volatile')) {
    const why = hasNoSyncs
      ? 'libeatmydata is loaded, which turns every sync into nothing'
      : 'the mount option "volatile" turns every sync into nothing'
    const next = hasNoSyncs ? 'Run the agent without it' : 'Mount it without this option, or use a volume'
    return { name: 'sync', level: 'problem', text: `nothing is ever synced here: ${why} (${figures})`, next }
  }
  // RAM is as fast as this, and what it is worth is said of the file system.
  if (median < SYNC_PLAUSIBLE_US && meaningOf(facts).risk !== 'volatile') {
    return {
      name: 'sync',
      level: 'warning',
      text: `too fast for a disk (${figures}): something answers before the data is safe`,
      next: 'Look for what answers it: a preloaded library, the host of a virtual machine, a controller; docs/cli.md says more',
    }
  }
  const isSlow = median > SYNC_SLOW_US ? '; slow: each group of write-aheads waits that long' : ''
  return { name: 'sync', level: 'ok', text: `${figures}${isSlow}` }
}

export function checkKills(report: KillReport): Check {
  const { lives, killedOpening, durabilities, bound, lostAtOnceMax, broken } = report
  if (broken.length > 0) {
    return {
      name: 'kills',
      level: 'problem',
      text: `after ${countText(lives, 'kill')}, ${broken[0]}${broken.length > 1 ? ' (and more like it)' : ''}`,
      next: 'Do not keep a memory here; if the disk is well, this is a bug of Holdfast: please report it',
    }
  }
  if (Object.values(durabilities).some(({ acknowledged }) => acknowledged === 0)) {
    const text = `not tried out: ${countText(lives, 'process was', 'processes were')} killed before writes of every durability were acknowledged`
    return { name: 'kills', level: 'warning', text, next: 'Ask for more --lives' }
  }
  const { 'write-ahead': ahead, 'write-through': through } = durabilities
  const safe = ahead.acknowledged + through.acknowledged
  const count = (number: number) => number.toLocaleString('en-US')
  const opening = killedOpening === 0 ? '' : `, ${count(killedOpening)} of them while opening`
  const text =
    `${countText(lives, 'process', 'processes')} killed${opening}: ${count(ahead.lost + through.lost)} of ${count(safe)} ` +
    `acknowledged write-aheads and write-throughs were lost, and at most ${count(lostAtOnceMax)} write-backs at once ` +
    `(bound: ${count(bound.writes)})`
  return { name: 'kills', level: 'ok', text }
}

/** The worst of all checks, in a sentence. */
export function verdictOf(checks: readonly Check[]): Verdict {
  const problem = checks.find(({ level }) => level === 'problem')
  if (problem !== undefined) return { level: 'problem', text: `Not fit: ${problem.text}.` }
  const warnings = checks.filter(({ level }) => level === 'warning')
  if (warnings.length === 0) return { level: 'ok', text: 'Fit: every promise that can be tried out here was kept.' }
  return { level: 'warning', text: `Works, but beware: ${warnings.map(({ text }) => text).join('; ')}.` }
}

export const EXIT_CODE_OF: Record<Level, ExitCode> = {
  ok: ExitCode.fine,
  warning: ExitCode.warnings,
  problem: ExitCode.problems,
}

function nextOfRisk(risk: Exclude<Meaning['risk'], 'none'>): string {
  if (risk === 'volatile') return 'Put the memory on a disk, or on a volume that outlives the container'
  return 'Put the memory on a local disk if it must survive a power cut'
}
