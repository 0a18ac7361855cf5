/**
 * Sync calls per acknowledged write, seen from outside with strace: a side that acknowledges before it syncs would win
 * every comparison here.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runChild } from './child.js'
import { inFolder } from './folders.js'
import type { SyncsPerWrite } from './line.js'
import { placeFor } from './place.js'
import { progress } from './progress.js'
import { isServer } from './sides.js'
import { rounded } from './statistics.js'

export const SYNC_CALLS = ['fsync', 'fdatasync', 'msync']

/** Why strace cannot be used here; `undefined` if it can. */
export function straceTrouble(): string | undefined {
  if (process.platform !== 'linux') return 'strace is for Linux'
  const tried = spawnSync('strace', ['-f', '-c', '-o', '/dev/null', process.execPath, '--version'])
  if (tried.error !== undefined) return 'strace is not installed'
  return tried.status === 0 ? undefined : 'strace may not trace here'
}

/** What a child that puts entries says of the time that counts. */
export interface PutRun {
  writes: number
  /** In seconds since 1970. */
  from: number
  to: number
  /** What the side itself has counted. */
  syncs: number | null
}

/** Writes a second. */
export function rateOf({ writes, from, to }: PutRun): number {
  return writes / (to - from)
}

/** For `from` and `to`: strace writes such times. */
export function secondsNow(): number {
  return (performance.timeOrigin + performance.now()) / 1000
}

/**
 * One more run of each side, whose sync calls are counted. It is slower by the counting, so it does not count else.
 * Without strace, ours is what it says itself.
 */
export async function countSyncs(
  sides: readonly string[],
  child: string,
  task: object,
): Promise<(peer: string) => SyncsPerWrite> {
  const trouble = straceTrouble()
  const counts = new Map<string, number>()
  if (trouble !== undefined) {
    const { syncs, writes } = await inFolder(place => runChild<PutRun>(child, { ...task, side: 'ours', place }))
    const how = syncs === null ? trouble : `ours by status(): ${trouble}`
    return () => ({ ours: syncs === null ? null : rounded(syncs / writes), theirs: null, how })
  }
  for (const side of sides) {
    progress(`sync calls of ${side}`)
    counts.set(side, await tracedSyncs(side, child, task))
  }
  return peer => ({ ours: counts.get('ours')!, theirs: counts.get(peer) ?? null, how: 'strace' })
}

/** Those of a server are its own; of all others, those of the whole process. */
function tracedSyncs(side: string, child: string, task: object): Promise<number> {
  return inFolder(async folder => {
    // A server that must not run as root writes it.
    chmodSync(folder, 0o777)
    const file = join(folder, 'strace.txt')
    const strace = ['strace', '-f', '-ttt', '-e', `trace=${SYNC_CALLS.join(',')}`, '-o', file]
    const place = await placeFor(side, strace)
    let run: PutRun
    try {
      const options = isServer(side) ? {} : { through: strace }
      run = await runChild<PutRun>(child, { ...task, side, place: place.address }, options)
    } finally {
      await place.leave()
    }
    return rounded(countCalls(readFileSync(file, 'utf8'), run.from, run.to) / run.writes)
  })
}

/**
 * The calls that began from one time to another, in what `strace -f -ttt` writes: the thread, the time, the call. What a
 * side syncs while it opens or closes is not counted.
 */
export function countCalls(trace: string, from: number, to: number): number {
  let count = 0
  for (const [, time, call] of trace.matchAll(/^\d+ +(\d+\.\d+) (\w+)\(/gm)) {
    if (SYNC_CALLS.includes(call!) && Number(time) >= from && Number(time) <= to) count += 1
  }
  return count
}
