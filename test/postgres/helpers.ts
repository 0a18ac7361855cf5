/** Stores and memories of the Postgres tests: the newest Postgres, one server for a file. */
import { after } from 'node:test'
import { AgentMemory, type AgentMemoryOptions } from '../../src/index.js'
import {
  openerByUrl,
  type PostgresStoreConfig,
  type PostgresStoreOpener,
  postgresConfig,
} from '../../src/stores/postgres/postgres.js'
import { freshFolder, SMALL } from '../api/temporary-folder.js'
import { type PostgresServer, startPostgres } from '../services/postgres.js'
import { postgresTrouble } from '../services/postgres-programs.js'

export const skip = postgresTrouble(18)

/** One server for the file that asks for it; its tests are to be skipped where there is none. */
export async function oneServer(): Promise<PostgresServer> {
  return skip === false ? startPostgres({ after }, { settings: { fsync: 'off' } }) : (undefined as never)
}

/** An opener with what no option says, such as how long a lease is. */
export function openerOf(url: string, config: Partial<PostgresStoreConfig> = {}): PostgresStoreOpener {
  return openerByUrl(url, url, { ...postgresConfig({}), ownerWaitMs: 0, ...config })
}

/** A memory in a folder of its own. */
export async function memoryAt(url: string, options: AgentMemoryOptions = {}): Promise<AgentMemory> {
  return AgentMemory.open(url, { ...SMALL, folder: await freshFolder(), ...options })
}
