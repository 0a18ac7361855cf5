/** The peers that are servers: where their programs are, and how they are started so that nothing acknowledged is lost. */
import { spawnSync } from 'node:child_process'
import { chownSync, existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { embeddedPostgres } from './peers.js'
import { type Server, startServer } from './server.js'

export const SERVER_PEERS = ['redis', 'postgres'] as const
export type ServerName = (typeof SERVER_PEERS)[number]

/** Why a server cannot be started here; `undefined` if it can. */
export function serverTrouble(name: ServerName): string | undefined {
  if (process.platform === 'win32') return 'it is reached over a Unix socket'
  if (name === 'redis') return hasRedis() ? undefined : 'no redis-server on PATH (apt-get install redis-server)'
  return findPostgres() === undefined ? 'no Postgres that may be run (apt-get install postgresql)' : undefined
}

/** Starts a server in an empty folder; `through` is put before its command, such as strace with its arguments. */
export function start(name: ServerName, folder: string, through: readonly string[] = []): Promise<Server> {
  return name === 'redis' ? startRedis(folder, through) : startPostgres(folder, through)
}

function hasRedis(): boolean {
  return spawnSync('redis-server', ['--version']).status === 0
}

function startRedis(folder: string, through: readonly string[]): Promise<Server> {
  const address = join(folder, 'socket')
  const pidFile = join(folder, 'redis.pid')
  const settings = ['--dir', folder, '--port', '0', '--unixsocket', address, '--pidfile', pidFile, '--save', '']
  return startServer({
    command: [...through, 'redis-server', ...settings, '--appendonly', 'yes', '--appendfsync', 'always'],
    address,
    readyText: 'eady to accept connections',
    pidFile,
    stopSignal: 'SIGTERM',
  })
}

async function startPostgres(folder: string, through: readonly string[]): Promise<Server> {
  return runCluster(folder, makeCluster(folder), { through })
}

/** A new cluster in an empty folder; returns the folder of its data. */
export function makeCluster(folder: string): string {
  const user = postgresUser()
  // strace runs as that user too, and writes its table beside the data.
  if (user !== undefined) chownSync(folder, user.uid, user.gid)
  const data = join(folder, 'data')
  const made = spawnSync(
    findPostgres()!.initdb,
    ['-D', data, '-U', 'postgres', '--auth=trust', '--no-sync', '--no-locale', '-E', 'UTF8'],
    { ...user, encoding: 'utf8' },
  )
  if (made.status !== 0) throw new Error(`initdb has failed: ${(made.error?.message ?? made.stderr).slice(-300)}`)
  return data
}

export interface ClusterOptions {
  through?: readonly string[]
  /** Of postgresql.conf, each as `name=value`. */
  settings?: readonly string[]
}

/** Starts a Postgres on a cluster; its socket is in `folder`. */
export function runCluster(
  folder: string,
  data: string,
  { through = [], settings = [] }: ClusterOptions,
): Promise<Server> {
  const all = ['listen_addresses=', ...settings].flatMap(setting => ['-c', setting])
  return startServer({
    command: [...through, findPostgres()!.postgres, '-D', data, '-k', folder, ...all],
    address: folder,
    // One that follows another takes read-only connections.
    readyText: 'ready to accept',
    pidFile: join(data, 'postmaster.pid'),
    stopSignal: 'SIGINT',
    user: postgresUser(),
  })
}

/** Postgres refuses to run as root, so root runs it as nobody. */
export function postgresUser(): { uid: number; gid: number } | undefined {
  return process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : undefined
}

interface PostgresPrograms {
  initdb: string
  postgres: string
}

/** That of bench/node_modules, the same on every machine, else one that is installed. */
function findPostgres(): PostgresPrograms | undefined {
  const installed = '/usr/lib/postgresql'
  const versions = existsSync(installed) ? readdirSync(installed).sort((a, b) => Number(b) - Number(a)) : []
  const folders = versions.map(version => join(installed, version, 'bin'))
  const found = [embeddedPostgres(), ...folders.map(programsIn), programsOnPath()]
  return found.find(programs => programs !== undefined && mayRun(programs))
}

function programsIn(folder: string): PostgresPrograms {
  return { initdb: join(folder, 'initdb'), postgres: join(folder, 'postgres') }
}

function programsOnPath(): PostgresPrograms {
  return { initdb: 'initdb', postgres: 'postgres' }
}

/** Also as the user that it is run as, who may not be let into the folder of our packages. */
function mayRun({ initdb, postgres }: PostgresPrograms): boolean {
  return [initdb, postgres].every(program => spawnSync(program, ['--version'], { ...postgresUser() }).status === 0)
}
