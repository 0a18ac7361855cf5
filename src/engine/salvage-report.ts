/** What a walk over a damaged memory has found: what is kept, what is lost, and why it could not begin. */
import { AgentMemoryError } from '../core/errors.js'
import type { Lsn } from '../core/lsn.js'
import type { LsnRange, VerifiedFrame } from '../log/verify.js'
import type { Mark } from '../stores/data-store.js'
import type { Problem } from './verify.js'

/** Frames of one kind: kept, or readable behind the damage. */
export interface FrameTally {
  frames: number
  records: number
  bytes: number
  lsns: LsnRange | undefined
}

export interface SalvageReport {
  kind: string
  /** Entries of the store that are kept; of them, those whose value was damaged and came from the log. */
  entries: number
  rescued: number
  kept: FrameTally
  /** Readable frames behind the damage, which are not applied. */
  behind: FrameTally
  /** What was found wrong, whether or not it costs anything. */
  problems: Problem[]
  /** What is not in the copy, one line each. */
  losses: string[]
  /** Where the copy's log starts, and the LSN that its store has. */
  start: Mark
  /** Above every LSN that the log is known to have allowed. */
  ceiling: Lsn
}

export function rangeText({ from, to }: LsnRange): string {
  return to === undefined ? `LSN ${from} on` : from === to ? `LSN ${from}` : `LSN ${from} to ${to}`
}

export function emptyTally(): FrameTally {
  return { frames: 0, records: 0, bytes: 0, lsns: undefined }
}

export function count(tally: FrameTally, { header, bytes }: VerifiedFrame): void {
  tally.frames += 1
  tally.records += header.records
  tally.bytes += bytes
  if (header.lastLsn < header.firstLsn) return
  tally.lsns = { from: tally.lsns?.from ?? header.firstLsn, to: header.lastLsn }
}

export function neverComplete(folder: string): AgentMemoryError {
  return new AgentMemoryError('NOT_A_MEMORY', {
    message: `The creation of the memory in ${folder} was interrupted before anything could be stored in it`,
    next: 'There is nothing to save: open it to finish its creation, or remove the folder',
  })
}

const NEXT_BY_KIND: Readonly<Record<string, string>> = {
  sqlite: 'Give the location that says where the database is, as in sqlite:./memory.db',
  postgres:
    'Run "npx holdfast verify" for the log; mend or restore the database with its own tools (pg_amcheck, pg_restore), then open the memory: what the database lacks comes to it from the log, as far as that still has it',
}

export function unknownKind(folder: string, kind: string): AgentMemoryError {
  return new AgentMemoryError('WRONG_STORE', {
    message: `The memory in ${folder} keeps its entries in a store of the kind "${kind}", which this command cannot open`,
    next:
      NEXT_BY_KIND[kind] ??
      'Repair it with the tools of that store; what only the log has comes back when the memory is opened',
  })
}

export function wrongStore(): AgentMemoryError {
  return new AgentMemoryError('WRONG_STORE', {
    message: 'The log and the store of this memory do not belong together, so one cannot be continued by the other',
    next: 'Put the store and the log of the same memory back together, from the same backup',
  })
}
