/** What Postgres, its client or the network says, as an error of ours. docs/formats/postgres-store.md has the table. */
import { AgentMemoryError, type ErrorCode } from '../../core/errors.js'

interface ServerError extends Error {
  /** SQLSTATE: five characters. */
  code: string
  severity: string
}

/** The server has answered with an error: what it was asked has not been done. */
export function isServerError(error: unknown): error is ServerError {
  return error instanceof Error && 'severity' in error && 'code' in error && typeof error.code === 'string'
}

/** The server has answered with an error and its connection goes on. */
export function keepsConnection(error: unknown): boolean {
  // These words may be in another language: then the pool, which looks whether a connection can be asked, finds it out.
  return isServerError(error) && error.severity !== 'FATAL' && error.severity !== 'PANIC'
}

/** Classes of SQLSTATE that say that the data is what is wrong; `P0` is what a trigger raises. */
const BAD_DATA = /^(09|22|23|27|38|39|44|54|P0)/

/** What has come of a change: STORE_REFUSED, with nothing of it done, if it is the data that is wrong. */
export function changeError(what: string, error: unknown): AgentMemoryError {
  if (!isServerError(error) || !BAD_DATA.test(error.code)) return postgresError(what, error)
  return new AgentMemoryError('STORE_REFUSED', {
    message: `${what} (${error.code}: ${error.message})`,
    next: 'Mend the constraint or the trigger that objects, or write what it takes',
    cause: error,
  })
}

export function postgresError(what: string, error: unknown): AgentMemoryError {
  if (error instanceof AgentMemoryError) return error
  const state = isServerError(error) ? error.code : ''
  const said = error instanceof Error ? error.message || String((error as { code?: unknown }).code) : String(error)
  const [code, next] = meaningOf(state)
  return new AgentMemoryError(code, {
    message: `${what} (${state === '' ? '' : `${state}: `}${said})`,
    next,
    cause: error,
  })
}

/** Whether an open has failed since the server is away: not if it has answered that it knows no such user, database or table. */
export function isAway(error: unknown): boolean {
  if (!(error instanceof AgentMemoryError) || error.code !== 'STORE_DOWN' || error.cause === undefined) return false
  return !isServerError(error.cause) || !/^(28|3D|3F|42|0A)/.test(error.cause.code)
}

function meaningOf(state: string): [ErrorCode, string] {
  if (state === 'XX001' || state === 'XX002') {
    return ['STORE_CORRUPT', 'Mend the database, or restore database and log from the same backup']
  }
  if (state === '42P01' || state === '3F000') {
    return ['STORE_LOST', 'Put the right database back, or let the memory build a new store from a whole log']
  }
  if (state === '42501') {
    return [
      'STORE_DOWN',
      'Give this user the right to it; "npx holdfast sql" prints what is to be made, for one who may make it',
    ]
  }
  if (state.startsWith('28') || state === '3D000') {
    return ['STORE_DOWN', 'Check user, password and database in the location']
  }
  return ['STORE_DOWN', 'Look at the server; the memory tries it again by itself, and the log keeps what it lacks']
}
