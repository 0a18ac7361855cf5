/**
 * `prove stores`: the store suite on every store, and what a memory promises over each of them, in each mode and of each
 * durability.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { folderStatus } from '../src/engine/folder-status.js'
import type { AgentMemory, AgentMemoryOptions, Durability } from '../src/index.js'
import { nodeFileSystem } from '../src/io/node-file-system.js'
import { parseLocation } from '../src/location.js'
import type { DataStore } from '../src/stores/data-store.js'
import { storeSuite } from '../src/testing/store-suite.js'
import { CONFORMANCE, type ConformanceCase, type KilledWriter, type MemoryUnderTest } from './conformance.js'
import type { Acknowledgement } from './conformance-child.js'
import type { PartResult } from './part.js'
import { DURABILITIES } from './shape.js'
import { type BareStore, labStore, openOver, STORES, type StoreName } from './stores.js'

/** How a memory uses its store. */
interface Mode {
  options: AgentMemoryOptions
  durabilities: readonly Durability[]
  stores: readonly StoreName[]
}

export const MODES = {
  log: { options: {}, durabilities: DURABILITIES, stores: STORES },
} satisfies Record<string, Mode>
export type ModeName = keyof typeof MODES

/** A memory of the matrix: plain data, for a process that is to open it. */
export interface ConformancePlace {
  store: StoreName
  mode: ModeName
  durability: Durability
  folder: string
}

/** One field of the matrix. */
export interface Field {
  store: StoreName
  mode: ModeName
  /** The store suite, or a memory of this durability. */
  of: 'suite' | Durability
  passed: number
  broken: number
  /** Cases that were left out, and why. */
  leftOut: string[]
  notRun?: string
}

export interface MatrixResult extends PartResult {
  fields: Field[]
}

export interface MatrixOptions {
  seed?: number
  stores?: readonly StoreName[] | undefined
  durabilities?: readonly Durability[] | undefined
  /** Only cases whose name has this in it. */
  only?: string | undefined
  /** Leaves out the store suite. */
  withoutSuite?: boolean | undefined
  onField?(field: Field): void
}

const CHILD = fileURLToPath(new URL('./conformance-child.js', import.meta.url))
/** A writer that says nothing for so long hangs. */
const SILENCE_MS = 60_000

export async function proveStores(options: MatrixOptions = {}): Promise<MatrixResult> {
  const started = performance.now()
  const matrix = new Matrix(options, await mkdtemp(join(tmpdir(), 'holdfast-stores-')))
  try {
    return { ...(await matrix.run()), ms: performance.now() - started }
  } finally {
    await rm(matrix.root, { recursive: true, force: true })
  }
}

export function openConforming(place: ConformancePlace, options: AgentMemoryOptions = {}): Promise<AgentMemory> {
  const { store, mode, durability, folder } = place
  return openOver(store, folder, { ...MODES[mode].options, durability, segmentBytesMax: 256 * 1024, ...options })
}

class Matrix {
  readonly root: string
  readonly #options: MatrixOptions
  readonly #seed: number
  readonly #fields: Field[] = []
  readonly #failures: PartResult['failures'] = []
  #folders = 0

  constructor(options: MatrixOptions, root: string) {
    this.root = root
    this.#options = options
    this.#seed = options.seed ?? 1
  }

  async run(): Promise<MatrixResult> {
    const { stores = STORES, durabilities = DURABILITIES, withoutSuite = false } = this.#options
    for (const store of stores) {
      for (const [mode, { durabilities: promised, stores: able }] of Object.entries(MODES) as [ModeName, Mode][]) {
        if (!able.includes(store)) continue
        if (mode === 'log' && !withoutSuite) await this.#field(store, mode, 'suite')
        for (const durability of promised.filter(each => durabilities.includes(each))) {
          await this.#field(store, mode, durability)
        }
      }
    }
    const sum = (of: (field: Field) => number, fields: readonly Field[]) =>
      fields.reduce((all, each) => all + of(each), 0)
    const suites = this.#fields.filter(({ of }) => of === 'suite')
    const memories = this.#fields.filter(({ of }) => of !== 'suite')
    const counts = {
      stores: stores.length,
      'cases of the store suite': sum(({ passed, broken }) => passed + broken, suites),
      'cases of memories': sum(({ passed, broken }) => passed + broken, memories),
      'left out': sum(({ leftOut }) => leftOut.length, this.#fields),
      'fields not run': this.#fields.filter(({ notRun }) => notRun !== undefined).length,
    }
    return { name: 'stores', seed: this.#seed, counts, failures: this.#failures, ms: 0, fields: this.#fields }
  }

  async #field(store: StoreName, mode: ModeName, of: Field['of']): Promise<void> {
    const notRun = labStore(store).notRun?.()
    const field: Field = { store, mode, of, passed: 0, broken: 0, leftOut: [], ...(notRun && { notRun }) }
    if (notRun === undefined) {
      if (of === 'suite') for (const bare of labStore(store).bare) await this.#runSuite(field, bare)
      else for (const each of CONFORMANCE) await this.#case(field, each.name, () => this.#runCase(field, of, each))
    }
    this.#fields.push(field)
    this.#options.onField?.(field)
  }

  async #runSuite(field: Field, { on, open, forget, without }: BareStore): Promise<void> {
    const placeOf = new Map<DataStore, string>()
    const openAt = async (place: string) => {
      const store = await open(place)
      placeOf.set(store, place)
      return store
    }
    const cases: { name: string; body: () => Promise<void> }[] = []
    storeSuite({
      name: on === undefined ? field.store : `${field.store} on ${on}`,
      seed: this.#seed,
      open: () => openAt(this.#newFolder()),
      reopen: closed => openAt(placeOf.get(closed)!),
      async destroy(closed) {
        const place = placeOf.get(closed)!
        forget?.(place)
        await rm(place, { recursive: true, force: true })
      },
      test: (name, body) => cases.push({ name, body }),
    })
    for (const { name, body } of cases) {
      if (without?.cases.test(name)) field.leftOut.push(`${name}: ${without.why}`)
      else await this.#case(field, name, body)
    }
  }

  async #runCase(field: Field, durability: Durability, { run }: ConformanceCase): Promise<void> {
    const { store, mode } = field
    const place: ConformancePlace = { store, mode, durability, folder: this.#newFolder() }
    const opened: AgentMemory[] = []
    const under: MemoryUnderTest = {
      durability,
      async open(options) {
        const memory = await openConforming(place, options)
        opened.push(memory)
        return memory
      },
      kill: acknowledged => killed(place, acknowledged),
      appliedLsn: () => appliedLsn(place),
    }
    try {
      await run(under)
    } finally {
      // A case that has failed has left it open.
      await Promise.allSettled(opened.map(memory => memory.close()))
      await rm(place.folder, { recursive: true, force: true })
    }
  }

  async #case(field: Field, name: string, body: () => Promise<void>): Promise<void> {
    const { store, of } = field
    if (this.#options.only !== undefined && !name.includes(this.#options.only)) return
    try {
      await body()
      field.passed += 1
    } catch (error) {
      field.broken += 1
      const how = of === 'suite' ? '' : ` --durability ${of}`
      this.#failures.push({
        what: `${store}, ${of}: ${name}: ${error instanceof Error ? error.message : String(error)}`,
        replay: `npm run prove -- stores --seed ${this.#seed} --store ${store}${how} --case "${name}"`,
      })
    }
  }

  #newFolder(): string {
    return join(this.root, `at-${++this.#folders}`)
  }
}

async function killed(place: ConformancePlace, count: number): Promise<KilledWriter> {
  const child = spawn(process.execPath, ['--no-warnings', CHILD, JSON.stringify(place)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  const ended = new Promise<NodeJS.Signals | null>(resolve => child.on('close', (_, signal) => resolve(signal)))
  let hasHung = false
  const timer = setTimeout(() => {
    hasHung = true
    child.kill('SIGKILL')
  }, SILENCE_MS)
  const told: KilledWriter = { acknowledged: 0, lsn: 0 }
  let acknowledged = 0
  for await (const line of createInterface({ input: child.stdout })) {
    const report = JSON.parse(line) as Acknowledgement
    // Answers of other durabilities come in other orders.
    if (report.acknowledged > told.acknowledged) Object.assign(told, report)
    if (++acknowledged === count) child.kill('SIGKILL')
  }
  const signal = await ended
  clearTimeout(timer)
  if (hasHung || signal !== 'SIGKILL') throw new Error(`the writer ${hasHung ? 'hung' : 'ended by itself'}: ${errors}`)
  return told
}

/** By the word of a store that is looked at in its place. */
async function appliedLsn({ store, folder: parent }: ConformancePlace): Promise<number | undefined> {
  const lab = labStore(store)
  const { folder, store: place } = parseLocation(lab.location(parent), lab.options?.(parent).folder)
  const status = await folderStatus(nodeFileSystem, folder, place?.path)
  return status.store.unread === undefined && !status.store.atLeast ? status.store.appliedLsn : undefined
}
