/**
 * Sync calls per acknowledged write, seen from outside with strace: a side that acknowledges before it syncs would win
 * every comparison here.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export const SYNC_CALLS = ['fsync', 'fdatasync', 'msync']

/** Why strace cannot be used here; `undefined` if it can. */
export function straceTrouble(): string | undefined {
  if (process.platform !== 'linux') return 'strace is for Linux'
  const tried = spawnSync('strace', ['-f', '-c', '-o', '/dev/null', process.execPath, '--version'])
  if (tried.error !== undefined) return 'strace is not installed'
  return tried.status === 0 ? undefined : 'strace may not trace here'
}

export interface SyncCounter {
  through: string[]
  /** Sync calls of the process, once it has ended. */
  count(): number
}

export function syncCounter(folder: string): SyncCounter {
  const file = join(folder, 'strace.txt')
  return {
    through: ['strace', '-f', '-c', '-e', `trace=${SYNC_CALLS.join(',')}`, '-o', file],
    count: () => countCalls(readFileSync(file, 'utf8')),
  }
}

/** The calls in the table of `strace -c`, whose last column is a call's name and whose fourth is how often. */
export function countCalls(table: string): number {
  let sum = 0
  for (const line of table.split('\n')) {
    const columns = line.trim().split(/\s+/)
    if (SYNC_CALLS.includes(columns.at(-1) ?? '')) sum += Number(columns[3])
  }
  return sum
}
