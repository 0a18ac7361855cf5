/**
 * A real Postgres for a test: on a free port of this machine, in a temporary folder, stopped, killed and held up for
 * real. One server for a file of tests, each test in a database of its own:
 *
 *     const server = await startPostgres({ after })
 *     test('…', async () => { const url = await server.newDatabase(); … })
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { type PostgresVersion, postgresPrograms, postgresUser } from './postgres-programs.js'

export interface PostgresOptions {
  /** @defaultValue 18 */
  version?: PostgresVersion
  /** Of postgresql.conf. */
  settings?: Readonly<Record<string, string>>
}

/** How a server is ended: as by `pg_ctl stop -m`, or by SIGKILL to all of its processes. */
export type StopMode = 'fast' | 'immediate' | 'kill'

const STOP_SIGNALS: Record<StopMode, NodeJS.Signals> = { fast: 'SIGINT', immediate: 'SIGQUIT', kill: 'SIGKILL' }
const DEFAULTS = { shared_buffers: '16MB', max_connections: '200', dynamic_shared_memory_type: 'mmap' }
// Below the ports that the system gives to outgoing connections: a client that tries again and again must not meet
// itself on the port of a server that is down, nor may another client take it meanwhile.
const PORT_MIN = 15_000
const PORT_MAX = 32_000
const START_ATTEMPTS = 100

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGQUIT')
})

/** Starts one, which ends and is removed after `t`: a test's context, or `{ after }` of node:test for a whole file. */
export async function startPostgres(
  t: { after(fn: () => Promise<void>): void },
  { version = 18, settings = {} }: PostgresOptions = {},
): Promise<PostgresServer> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-postgres-'))
  let server: PostgresServer | undefined
  t.after(async () => {
    await server?.stop('immediate')
    await rm(folder, { recursive: true, force: true })
  })
  const { initdb, postgres } = postgresPrograms(version)
  const user = postgresUser()
  if (user !== undefined) chownSync(folder, user.uid, user.gid)
  const data = join(folder, 'data')
  const made = spawnSync(
    initdb,
    ['-D', data, '-U', 'postgres', '--auth=trust', '--no-sync', '--no-locale', '-E', 'UTF8'],
    { ...user, cwd: folder, encoding: 'utf8' },
  )
  if (made.status !== 0) throw new Error(`initdb has failed: ${made.error?.message ?? made.stderr.slice(-300)}`)
  const port = await freePort()
  const all = { ...DEFAULTS, port: `${port}`, listen_addresses: '127.0.0.1', ...settings }
  const args = ['-D', data, '-k', folder, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])]
  server = new PostgresServer(port, () => spawn(postgres, args, { ...user, cwd: folder }))
  await server.start()
  return server
}

export class PostgresServer {
  readonly port: number
  /** Of the database `postgres`. */
  readonly url: string
  readonly #spawn: () => ChildProcess
  #child: ChildProcess | undefined
  #databases = 0

  constructor(port: number, spawnServer: () => ChildProcess) {
    this.port = port
    this.url = this.urlOf('postgres')
    this.#spawn = spawnServer
  }

  urlOf(database: string): string {
    return `postgres://postgres@127.0.0.1:${this.port}/${database}`
  }

  /** The URL of a new, empty database. */
  async newDatabase(): Promise<string> {
    this.#databases += 1
    const name = `test_${process.pid}_${this.#databases}`
    await this.query(`CREATE DATABASE ${name}`)
    return this.urlOf(name)
  }

  /** Runs SQL on a connection of its own. */
  async query(sql: string, url = this.url): Promise<Record<string, unknown>[]> {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    try {
      return (await client.query(sql)).rows
    } finally {
      await client.end()
    }
  }

  /** Resolves once it takes connections; after a kill, once it has recovered. */
  async start(): Promise<void> {
    if (this.#child !== undefined) return
    for (let attempt = 1; ; attempt++) {
      const printed = await this.#tryStart()
      // Processes of a server that was killed may hold on to its shared memory for a moment.
      if (printed === undefined) return
      if (attempt === START_ATTEMPTS || !/shared memory|lock file/.test(printed)) {
        throw new Error(`Postgres has ended before it was ready: ${printed}`)
      }
      await new Promise(resolve => setTimeout(resolve, 100))
    }
  }

  async stop(mode: StopMode): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    this.#child = undefined
    // It has ended by itself.
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    const processes = this.#processes(child)
    // One that is paused ends only once it goes on, but for SIGKILL.
    child.kill(STOP_SIGNALS[mode])
    for (const pid of processes) signal(pid, mode === 'kill' ? 'SIGKILL' : 'SIGCONT')
    await ended
    running.delete(child)
  }

  /** Holds all of its processes up: connections are taken by the system, and nothing answers. */
  pause(): void {
    for (const pid of this.#processes(this.#child!)) signal(pid, 'SIGSTOP')
  }

  resume(): void {
    for (const pid of this.#processes(this.#child!)) signal(pid, 'SIGCONT')
  }

  /** What it has printed, if it has ended before it was ready. */
  async #tryStart(): Promise<string | undefined> {
    const child = this.#spawn()
    // It can be stopped before it is ready.
    this.#child = child
    running.add(child)
    let printed = ''
    const ready = new Promise<boolean>(resolve => {
      child.once('exit', () => resolve(false))
      child.once('error', error => {
        printed += error.message
        resolve(false)
      })
      child.stdout!.resume()
      // Read to its end, so that the server never waits for us to take what it prints.
      child.stderr!.setEncoding('utf8').on('data', (text: string) => {
        printed = (printed + text).slice(-2000)
        if (printed.includes('ready to accept connections')) resolve(true)
      })
    })
    if (await ready) return undefined
    running.delete(child)
    if (this.#child === child) this.#child = undefined
    return printed.trim()
  }

  #processes({ pid }: ChildProcess): number[] {
    return [pid!, ...childrenOf(pid!)]
  }
}

function childrenOf(parent: number): number[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name) && parentOf(name) === parent)
    .map(Number)
}

function parentOf(pid: string): number | undefined {
  try {
    // The name of the program, in parentheses, may hold anything.
    return Number(readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)!.split(' ')[1])
  } catch {
    // It has ended meanwhile.
    return undefined
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

async function freePort(): Promise<number> {
  for (;;) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN))
    const probe = createServer().listen(port, '127.0.0.1')
    const isFree = await new Promise<boolean>(resolve => {
      probe.once('listening', () => resolve(true))
      probe.once('error', () => resolve(false))
    })
    if (!isFree) continue
    await new Promise(resolve => probe.close(resolve))
    return port
  }
}
