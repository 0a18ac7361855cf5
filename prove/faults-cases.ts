/** Which faults there are, and which of them can befall which call. */
import { readTrace, type ShimCall, type ShimFault, type ShimSetting } from './shim.js'

/** The shim's faults, but for a second kind of kill: between two calls it makes no difference. */
export const FAULTS = ['EIO', 'ENOSPC', 'short', 'kill', 'lie', 'drop'] as const satisfies readonly ShimFault[]
export type FaultKind = (typeof FAULTS)[number]
export const MODES = ['once', 'sticky'] as const
export type FaultMode = (typeof MODES)[number]
/** What the program does: the first life makes the memory, the second one opens what the first has left. */
export const LIVES = ['first', 'second'] as const
export type LifeName = (typeof LIVES)[number]

export interface FaultCase {
  life: LifeName
  fault: FaultKind
  mode: FaultMode
  /** Counted from 0. */
  call: number
}

/** Reads and opens count too: every call of a file may fail. Nobody waits for the disk: no power is cut. */
export const COUNT_ALL: ShimSetting = { opens: true, reads: true, recording: false, unsynced: true }
/** Of so many calls one fails while syncs are made: threads that wait for a disk make their calls in other orders. */
const SYNCED_EVERY = 8

/** Threads of their own make calls as well, so that the same number need not be the same call in each run. */
const SLACK = 3

/** What the shim does in a case. */
export function settingOf({ fault, mode, call }: FaultCase): ShimSetting {
  return { ...COUNT_ALL, fault, at: call, sticky: mode === 'sticky', unsynced: call % SYNCED_EVERY !== 0 }
}

/** What each counted call of a run was. Reads are counted and not recorded, so they are what is missing. */
export function callsOf(trace: string, count: number): ShimCall[] {
  const calls: ShimCall[] = Array.from({ length: count }, () => 'read')
  for (const { index, call } of readTrace(trace)) if (index !== undefined && index < count) calls[index] = call
  return calls
}

/** Every call x fault x mode, but for those that cannot be: a read that lies, half of a rename. */
export function casesOf(life: LifeName, calls: readonly ShimCall[]): FaultCase[] {
  const cases: FaultCase[] = []
  for (let call = 0; call < calls.length + SLACK; call++) {
    for (const fault of FAULTS) {
      if (!mayBefall(fault, calls[call])) continue
      // Dead is dead.
      for (const mode of fault === 'kill' ? (['once'] as const) : MODES) cases.push({ life, fault, mode, call })
    }
  }
  return cases
}

function mayBefall(fault: FaultKind, call: ShimCall | undefined): boolean {
  if (fault === 'lie' || fault === 'drop') return call === 'sync' || call === 'dataSync'
  if (fault === 'short') return call === 'write' || call === 'read'
  if (fault === 'ENOSPC') return call !== 'unlink' && call !== 'removeFolder' && call !== 'read'
  return true
}
