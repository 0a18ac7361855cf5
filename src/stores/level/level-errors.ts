/** LevelDB's errors in our words. */
import { AgentMemoryError, type ErrorCode, systemCode } from '../../core/errors.js'

/** `error` as an AgentMemoryError; one that already is comes back as it is. */
export function levelError(what: string, error: unknown): AgentMemoryError {
  if (error instanceof AgentMemoryError) return error
  const [code, next] = meaning(error)
  return new AgentMemoryError(code, { message: `${what}: ${reason(error)}`, next, cause: error })
}

function meaning(error: unknown): [code: ErrorCode, next: string] {
  switch (systemCode(root(error))) {
    case 'LEVEL_LOCKED':
      return ['OWNED_ELSEWHERE', 'Close it in the process that has it open, or use another folder']
    case 'LEVEL_CORRUPTION':
      return ['STORE_CORRUPT', 'Move the folder away and restore it from a snapshot']
    default:
      return ['STORE_DOWN', 'See to the cause, then close the store and open it again']
  }
}

/** Whether somebody else has the database open. */
export function isLocked(error: unknown): boolean {
  return systemCode(root(error)) === 'LEVEL_LOCKED'
}

/** An open that failed says LEVEL_DATABASE_NOT_OPEN, and why in its cause. */
function root(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? root(error.cause) : error
}

function reason(error: unknown): string {
  const first = root(error)
  return first instanceof Error ? first.message : String(first)
}
