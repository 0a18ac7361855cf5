/**
 * Where a memory is: the path of its folder, or the place of its data store behind a scheme, as in `sqlite:./memory.db` or
 * `files:./folder`. In the latter case the folder with the lock and the log lies beside the store, or where the option
 * `folder` says.
 */
import { createHash } from 'node:crypto'
import { join, resolve } from 'node:path'
import { WrongCallError } from './core/errors.js'

export interface Location {
  /** The memory's folder, absolute. */
  folder: string
  /** `undefined`: the store is in the folder. */
  store: StorePlace | undefined
}

export type StorePlace = FilePlace | PostgresPlace

export interface FilePlace {
  kind: 'sqlite' | 'files'
  /** Absolute. */
  path: string
}

export interface PostgresPlace {
  kind: 'postgres'
  /** For the client: without what is ours in it. */
  url: string
  /** For people: without a password. */
  path: string
  memory: string | undefined
  schema: string | undefined
}

type Scheme = (place: string, location: string) => { store: StorePlace; folder: string }

/** By scheme: the place that follows it, and where the folder is by default. */
const SCHEMES: ReadonlyMap<string, Scheme> = new Map([
  ['sqlite', sqlite],
  ['files', files],
  ['postgres', postgres],
  ['postgresql', postgres],
])

/** Throws INVALID_ARGUMENT for what is no location, INVALID_OPTION for a `folder` beside one that is a folder itself. */
export function parseLocation(location: unknown, folder?: unknown): Location {
  if (!isPath(location)) {
    throw new WrongCallError('INVALID_ARGUMENT', {
      message: `The location of a memory is ${location === '' ? 'empty' : `not a path (${typeof location})`}`,
      next: "Give the path of a folder, for example AgentMemory.open('./agent-memory')",
    })
  }
  if (folder !== undefined && !isPath(folder)) {
    throw new WrongCallError('INVALID_OPTION', {
      message: `The option "folder" is ${folder === '' ? 'empty' : `not a path (${typeof folder})`}`,
      next: 'Give the path of a folder, or leave it out: it is beside the store then',
    })
  }
  const [, name, place = ''] = /^([a-z][a-z0-9+.-]+):(.*)$/is.exec(location) ?? []
  if (name === undefined) {
    if (folder === undefined) return { folder: resolve(location), store: undefined }
    throw new WrongCallError('INVALID_OPTION', {
      message: `The option "folder" was given, and the location ${location} is a folder already`,
      next: "Leave one of them out, or give a location that names a store, such as 'sqlite:./memory.db'",
    })
  }
  const scheme = SCHEMES.get(name.toLowerCase())
  if (scheme === undefined) {
    throw new WrongCallError('INVALID_ARGUMENT', {
      message: `The location "${name}:…" names a kind of store that this version does not have`,
      next: `Give the path of a folder, for example './agent-memory', or one of ${[...SCHEMES.keys()].join(':…, ')}:…`,
    })
  }
  const found = scheme(place, location)
  return { store: found.store, folder: folder === undefined ? found.folder : resolve(folder) }
}

/** `sqlite:./memory.db`, `sqlite:/srv/memory.db` or `sqlite:///srv/memory.db`. */
function sqlite(place: string, location: string): { store: StorePlace; folder: string } {
  const file = place.startsWith('//') ? place.slice(2) : place
  if (file === ':memory:' || file === '' || /[/\\]$/.test(file)) {
    throw new WrongCallError('INVALID_ARGUMENT', {
      message: `The location ${location} names no file of a database`,
      next: "Give its path, for example 'sqlite:./memory.db'; to keep nothing but the log, use a folder with { store: 'in-memory' }",
    })
  }
  const path = resolve(file)
  return { store: { kind: 'sqlite', path }, folder: `${path}-holdfast` }
}

/** `files:./folder`; what begins with a dot in it is left alone by the store, so the memory's folder may be there. */
function files(place: string, location: string): { store: StorePlace; folder: string } {
  const folder = place.startsWith('//') ? place.slice(2) : place
  if (folder === '') {
    throw new WrongCallError('INVALID_ARGUMENT', {
      message: `The location ${location} names no folder`,
      next: "Give its path, for example 'files:./folder'",
    })
  }
  const path = resolve(folder)
  return { store: { kind: 'files', path }, folder: join(path, '.holdfast') }
}

/**
 * `postgres://user:password@host:5432/database?memory=name&schema=name`; other parameters are the client's. The folder is
 * named for what tells memories apart: neither for the user, nor for how the connection is made.
 */
function postgres(_place: string, location: string): { store: PostgresPlace; folder: string } {
  let url: URL
  try {
    url = new URL(location)
  } catch {
    throw notPostgres()
  }
  const { searchParams } = url
  const ours = (name: string) => {
    const value = searchParams.get(name) ?? undefined
    searchParams.delete(name)
    return value
  }
  const memory = ours('memory')
  const schema = ours('schema')
  const store = { kind: 'postgres', url: url.href, path: '', memory, schema } as const
  const host = url.hostname || (searchParams.get('host') ?? 'localhost')
  const port = url.port || (searchParams.get('port') ?? '5432')
  const database = url.pathname.length > 1 ? url.pathname.slice(1) : url.username
  if (!location.slice(location.indexOf(':')).startsWith('://')) throw notPostgres()
  const named = JSON.stringify([host, port, database, schema ?? null, memory ?? null])
  const folder = resolve('.holdfast', createHash('sha256').update(named).digest('hex').slice(0, 16))
  url.password = ''
  searchParams.delete('password')
  if (memory !== undefined) searchParams.set('memory', memory)
  if (schema !== undefined) searchParams.set('schema', schema)
  return { store: { ...store, path: url.href }, folder }
}

/** The location is not shown: it may hold a password. */
function notPostgres(): WrongCallError {
  return new WrongCallError('INVALID_ARGUMENT', {
    message: 'The location postgres:… is no URL of a database',
    next: "Give one such as 'postgres://user:password@host:5432/database', with special characters percent-encoded",
  })
}

function isPath(path: unknown): path is string {
  return typeof path === 'string' && path !== '' && !path.includes('\0')
}
