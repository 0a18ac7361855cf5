/**
 * `prove outage`: a Postgres is stopped, killed and held up under writers of every durability, and so is the process that
 * writes. Nothing that was acknowledged may be missing afterwards, and what waits for the disk only must go on.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { AgentMemory } from '../src/index.js'
import { type PostgresServer, startPostgres } from '../test/services/postgres.js'
import { postgresTrouble } from '../test/services/postgres-programs.js'
import { numberOption } from './options.js'
import { LANES, type OutageReport, SLOTS, wrongIn } from './outage-lanes.js'
import { type PartResult, tellPart } from './part.js'

/** What happens to the server, and whether the process that writes is killed meanwhile. */
const OUTAGES = [
  { server: 'fast', killsWriter: false },
  { server: 'kill', killsWriter: false },
  { server: 'pause', killsWriter: false },
  { server: 'kill', killsWriter: true },
] as const
type Outage = (typeof OUTAGES)[number]

interface Figures {
  before: number[]
  during: number[]
  behind: number
  drained: number
  drainMs: number
}

export function registerOutage(program: Command): void {
  program
    .command('outage')
    .description('stop, kill and hold up a Postgres under writers, and the writers too; nothing acknowledged is lost')
    .option('--seconds <count>', 'how long each outage lasts, and the time before it', numberOption, 3)
    .option('--json', 'print the result as JSON')
    .action(async ({ seconds, json }: { seconds: number; json?: boolean }) => {
      tellPart(await proveOutage(seconds), json)
    })
}

export async function proveOutage(seconds: number): Promise<PartResult> {
  const started = performance.now()
  const result: PartResult = { name: 'outage', seed: 0, counts: {}, failures: [], ms: 0 }
  const trouble = postgresTrouble(18)
  if (trouble !== false) return { ...result, notRun: trouble }
  const endings: (() => Promise<void>)[] = []
  const figures: Figures[] = []
  try {
    const server = await startPostgres({ after: end => endings.push(end) })
    for (const outage of OUTAGES) {
      const { broken, ...measured } = await oneOutage(server, outage, seconds * 1000)
      figures.push(measured)
      const what = `${outage.server}${outage.killsWriter ? ', and the writer killed' : ''}`
      const replay = `npm run prove -- outage --seconds ${seconds}`
      result.failures.push(...broken.map(text => ({ what: `${what}: ${text}`, replay })))
    }
  } finally {
    for (const end of endings) await end()
  }
  result.counts = countsOf(figures, seconds)
  result.ms = performance.now() - started
  return result
}

async function oneOutage(server: PostgresServer, { server: how, killsWriter }: Outage, ms: number) {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-outage-'))
  try {
    const url = await server.newDatabase()
    const writer = await Writer.start(url, join(folder, 'memory'))
    await pause(ms)
    const before = [...writer.acknowledged]
    if (how === 'pause') server.pause()
    else await server.stop(how)
    const atStart = [...writer.acknowledged]
    await pause(ms)
    const during = writer.acknowledged.map((last, lane) => last - atStart[lane]!)
    const { behind } = writer
    if (killsWriter) await writer.kill()
    if (how === 'pause') server.resume()
    else await server.start()
    const { entries, ms: drainMs } = killsWriter ? { entries: 0, ms: 0 } : await writer.end()
    const broken = await check(url, join(folder, 'memory'), writer.acknowledged, killsWriter)
    return { before, during, behind, drained: entries, drainMs, broken }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function check(url: string, folder: string, acknowledged: readonly number[], isKilled: boolean) {
  const memory = await AgentMemory.open(url, { folder })
  try {
    const map = memory.map<number>('lanes')
    const broken: string[] = []
    for (const [lane, last] of acknowledged.entries()) {
      const slots = Array.from({ length: SLOTS }, (_, slot) => slot)
      const values = await map.getMany(slots.map(slot => [`${lane}`, `${slot}`]))
      const wrong = slots.map(slot => wrongIn(lane, slot, values[slot], last, isKilled))
      broken.push(...wrong.filter(text => text !== undefined))
    }
    return broken
  } finally {
    await memory.close()
  }
}

function countsOf(figures: readonly Figures[], seconds: number): PartResult['counts'] {
  const sum = (of: 'before' | 'during', durability: string) =>
    figures.reduce(
      (all, each) => all + each[of].reduce((n, count, lane) => n + (LANES[lane] === durability ? count : 0), 0),
      0,
    )
  const rate = (of: 'before' | 'during', durability: string) =>
    Math.round(sum(of, durability) / seconds / figures.length)
  const drainMs = figures.reduce((all, each) => all + each.drainMs, 0)
  return {
    outages: figures.length,
    'write-back a second before': rate('before', 'write-back'),
    during: rate('during', 'write-back'),
    'write-ahead a second before': rate('before', 'write-ahead'),
    'during, too': rate('during', 'write-ahead'),
    'write-through a second before': rate('before', 'write-through'),
    'of them during': sum('during', 'write-through'),
    'told to be behind': figures.reduce((all, each) => all + each.behind, 0),
    'entries a second when it was back': Math.round(
      (figures.reduce((all, each) => all + each.drained, 0) * 1000) / Math.max(drainMs, 1),
    ),
  }
}

/** The process that writes, seen from here. */
class Writer {
  acknowledged: number[] = LANES.map(() => 0)
  behind = 0
  readonly #child: ChildProcess
  readonly #isOpen: Promise<void>
  readonly #drained: Promise<{ entries: number; ms: number }>

  static async start(url: string, folder: string): Promise<Writer> {
    const file = fileURLToPath(new URL('./outage-child.js', import.meta.url))
    const writer = new Writer(spawn(process.execPath, [file, url, folder], { stdio: ['pipe', 'pipe', 'inherit'] }))
    await writer.#isOpen
    return writer
  }

  private constructor(child: ChildProcess) {
    this.#child = child
    const lines = createInterface({ input: child.stdout! })
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`the writer has ended with ${code}`)
    })
    const said = <Kind extends OutageReport['kind']>(kind: Kind) =>
      new Promise<Extract<OutageReport, { kind: Kind }>>(resolve => {
        lines.on('line', line => {
          const report = JSON.parse(line) as OutageReport
          if (report.kind === kind) resolve(report as Extract<OutageReport, { kind: Kind }>)
        })
      })
    lines.on('line', line => {
      const report = JSON.parse(line) as OutageReport
      if (report.kind !== 'acknowledged') return
      this.acknowledged = report.acknowledged
      this.behind = report.behind
    })
    this.#isOpen = Promise.race([said('open').then(() => {}), ended])
    this.#drained = Promise.race([said('drained'), ended])
    this.#drained.catch(() => {})
  }

  /** Ends the writing and waits until the store has everything. */
  end(): Promise<{ entries: number; ms: number }> {
    this.#child.stdin!.write('end\n')
    return this.#drained
  }

  async kill(): Promise<void> {
    const exit = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exit
  }
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
