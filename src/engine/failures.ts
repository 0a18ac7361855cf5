/** The engine's errors, in one place, so that each says the same wherever it arises. */
import { AgentMemoryError, type Fate, systemCode, UnsettledWriteError, WrongCallError } from '../core/errors.js'
import { decodeSegments, type EncodedKey } from '../core/key.js'
import type { Lsn } from '../core/lsn.js'
import { withoutNext } from '../log/candidates.js'

export function closedError(): AgentMemoryError {
  return new AgentMemoryError('CLOSED', {
    message: 'The memory is closed',
    next: 'Open it again with AgentMemory.open, and close it only after the last call has been answered',
  })
}

export function failedError(cause: unknown): AgentMemoryError {
  return new AgentMemoryError('FAILED', {
    message: `Writes are refused since the log has failed (${systemCode(cause) ?? String(cause)})`,
    next: 'Mend the disk, then call memory.reopen(), or close the memory and open it again; reads go on meanwhile',
    cause,
  })
}

export function inDoubtError(lsn: Lsn, settled: () => Promise<Fate>, cause: unknown): UnsettledWriteError {
  return new UnsettledWriteError('IN_DOUBT', {
    message: `The write with LSN ${lsn} was accepted, but writing the log failed (${systemCode(cause) ?? String(cause)}), so it is not known whether it is on the disk`,
    next: 'Call memory.reopen(), which settles it, and read error.settled(); do not repeat the write before',
    lsn,
    reached: 'tier',
    settled,
    cause,
  })
}

/** `until` says what has ended the wait, such as `within 100 ms`. */
export function storeBehindError(lsn: Lsn, until: string, settled: () => Promise<Fate>): UnsettledWriteError {
  return new UnsettledWriteError('STORE_BEHIND', {
    message: `The write with LSN ${lsn} is safe in the log, but the data store has not committed it ${until}`,
    next: 'Do not repeat the write: it reaches the store when that is up again, and error.settled() tells when',
    lsn,
    reached: 'log',
    settled,
  })
}

/** In direct mode: the store has not said in time what came of a write, or cannot be asked any more. */
export function outcomeUnknownError(cause: unknown, settled: () => Promise<Fate>): UnsettledWriteError {
  const why = cause === undefined ? 'no answer in time' : messageOf(cause)
  return new UnsettledWriteError('OUTCOME_UNKNOWN', {
    message: `The data store was given the write, and has not said what came of it (${why})`,
    next: 'Do not repeat the write before error.settled() says "lost"; if that rejects, read what is there and decide anew',
    lsn: 0,
    reached: 'tier',
    settled,
    cause,
  })
}

/** In direct mode: a write that was not accepted, since there is no log that could keep it. */
export function refusedDownError(cause: unknown): AgentMemoryError {
  return new AgentMemoryError('STORE_DOWN', {
    message: `The data store does not answer, and this memory has no log (${messageOf(cause)})`,
    next: 'Try again later: this write was not accepted; the memory opens the store again by itself',
    cause,
  })
}

/** In direct mode: writes that belong together and that the data store does not take. They are nowhere. */
export function refusedWriteError(keys: readonly EncodedKey[], cause: AgentMemoryError): AgentMemoryError {
  const more = keys.length > 1 ? `, and of ${keys.length - 1} more in one batch` : ''
  return new AgentMemoryError('STORE_REFUSED', {
    message: `The data store refuses the write of ${JSON.stringify(decodeSegments(keys[0]!))}${more} (${withoutNext(cause)})`,
    next: 'Write what the store takes, or mend what it objects to and write again: nothing of it was kept',
    cause,
  })
}

/** `what` begins a sentence about what was asked for. */
export function needsLogError(what: string): WrongCallError {
  return new WrongCallError('INVALID_OPTION', {
    message: `${what} asks for write-ahead, and this memory was opened without a log`,
    next: "Use 'write-through' or 'write-back', or open the memory with a log: leave { log: 'none' } out",
  })
}

export function storeDownError(cause: unknown): AgentMemoryError {
  return new AgentMemoryError('STORE_DOWN', {
    message: `The data store does not answer (${messageOf(cause)})`,
    next: 'Try again later; the memory opens the store again by itself, and with a log writes as write-ahead or write-back go on meanwhile',
    cause,
  })
}

/** A store that is away while its memory is to be made. */
export function neededError(cause: Error): AgentMemoryError {
  return new AgentMemoryError('STORE_DOWN', {
    message: `The data store does not answer, and this folder has no log of it yet (${messageOf(cause)})`,
    next: 'Open it again once the store answers; from then on the memory opens without it too',
    cause,
  })
}

/** A write that is safe in the log, and that the data store does not take. */
export function storeRefusedError(lsn: Lsn, { batch, reason }: { batch: Lsn; reason: string }): AgentMemoryError {
  return new AgentMemoryError('STORE_REFUSED', {
    message: `The data store refuses the write with LSN ${lsn}, which is kept as the dead letter ${batch} (${reason})`,
    next: 'Write a value that the store takes, or mend what it objects to and call memory.deadLetters.replay(); reads see the write meanwhile',
  })
}

/** The data store refuses more than can be kept as dead letters: it is given nothing more until that has changed. */
export function cannotKeepError(why: string): AgentMemoryError {
  return new AgentMemoryError('STORE_REFUSED', {
    message: `The data store refuses writes, and they cannot be kept as dead letters (${why}); the log keeps them`,
    next: 'Mend what the store objects to, then call memory.deadLetters.replay(), or discard letters',
  })
}

export function logFullError(why: string, what: string): AgentMemoryError {
  return new AgentMemoryError('LOG_FULL', {
    message: `${why} and the log is full (${what})`,
    next: 'Bring the store back, or raise logBytesMax or pendingEntriesMax; nothing that was acknowledged is lost',
  })
}

export function overloadedError(queuedBytes: number, limit: number): AgentMemoryError {
  return new AgentMemoryError('OVERLOADED', {
    message: `${queuedBytes} bytes of writes wait for room, and one more would pass the limit of ${limit}`,
    next: 'Await writes before you issue more of them, or raise queuedBytesMax; this write was not accepted',
  })
}

export function tooLargeError(
  code: 'BATCH_TOO_LARGE' | 'VALUE_TOO_LARGE',
  bytes: number,
  limit: number,
): AgentMemoryError {
  const what = code === 'BATCH_TOO_LARGE' ? 'A batch' : 'A value'
  return new AgentMemoryError(code, {
    message: `${what} of ${bytes} bytes is over the limit of ${limit}`,
    next:
      code === 'BATCH_TOO_LARGE'
        ? 'Split it into smaller batches'
        : 'Split it into several entries, or raise frameBytesMax',
  })
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

/** Rejects with `error()` unless `work` has settled within `ms`. What it does later is not looked at any more. */
export function withDeadline<T>(
  work: Promise<T>,
  ms: number,
  clock: { after(ms: number, task: () => void): { cancel(): void } },
  error: () => Error,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(ms, () => reject(error()))
    work.then(
      value => {
        timer.cancel()
        resolve(value)
      },
      (reason: unknown) => {
        timer.cancel()
        reject(reason)
      },
    )
  })
}
