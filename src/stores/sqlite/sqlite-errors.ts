/** SQLite's errors in our words, whichever driver they come from. */
import { AgentMemoryError, type ErrorCode, systemCode } from '../../core/errors.js'

/** SQLite's result codes: https://sqlite.org/rescode.html. Those of better-sqlite3 are the names. */
const PRIMARY: Readonly<Record<number, string>> = {
  5: 'BUSY',
  6: 'LOCKED',
  8: 'READONLY',
  10: 'IOERR',
  11: 'CORRUPT',
  13: 'FULL',
  14: 'CANTOPEN',
  18: 'TOOBIG',
  19: 'CONSTRAINT',
  20: 'MISMATCH',
  26: 'NOTADB',
}

/** `error` as an AgentMemoryError; one that already is comes back as it is. */
export function sqliteError(what: string, error: unknown): AgentMemoryError {
  if (error instanceof AgentMemoryError) return error
  const [code, next] = meaning(error)
  const reason = error instanceof Error ? error.message : String(error)
  return new AgentMemoryError(code, { message: `${what}: ${reason}`, next, cause: error })
}

function meaning(error: unknown): [code: ErrorCode, next: string] {
  switch (resultOf(error)) {
    case 'CORRUPT':
    case 'NOTADB':
      return ['STORE_CORRUPT', 'Run "npx holdfast verify", and restore the database and the log from the same backup']
    case 'BUSY':
    case 'LOCKED':
      return ['STORE_DOWN', 'End the transaction of the other program that holds the database locked']
    case 'FULL':
      return ['STORE_DOWN', 'Free some space on its disk']
    case 'READONLY':
    case 'CANTOPEN':
      return ['STORE_DOWN', 'Give this user the right to write the database and its folder']
    case 'CONSTRAINT':
    case 'MISMATCH':
    case 'TOOBIG':
      return ['STORE_REFUSED', 'Mend the constraint or the trigger that objects, or write what it takes']
    default:
      return ['STORE_DOWN', 'See to the cause, then close the store and open it again']
  }
}

/** Whether SQLite objects to what it was given, and to nothing else: the same transaction without it would commit. */
export function isRefusal(error: unknown): boolean {
  return meaning(error)[0] === 'STORE_REFUSED'
}

/** `SQLITE_IOERR_FSYNC` is `IOERR`; `undefined` for what is no error of SQLite. */
function resultOf(error: unknown): string | undefined {
  if (typeof error === 'object' && error !== null && 'errcode' in error && typeof error.errcode === 'number') {
    return PRIMARY[error.errcode & 0xff]
  }
  return /^SQLITE_([A-Z]+)/.exec(systemCode(error) ?? '')?.[1]
}
