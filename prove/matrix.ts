/**
 * `prove stores`: the store suite on every store, and what a memory promises over each of them, in each mode and of each
 * durability.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { folderStatus } from '../src/engine/folder-status.js'
import type { AgentMemory, Durability } from '../src/index.js'
import { nodeFileSystem } from '../src/io/node-file-system.js'
import { parseLocation } from '../src/location.js'
import type { DataStore } from '../src/stores/data-store.js'
import { storeSuite } from '../src/testing/store-suite.js'
import { CONFORMANCE, type ConformanceCase, type KilledWriter, type MemoryUnderTest } from './conformance.js'
import type { Acknowledgement } from './conformance-child.js'
import { DIRECT_CONFORMANCE } from './conformance-direct.js'
import { directSuite } from './direct-suite.js'
import { ending } from './endings.js'
import { type MemoryPlace, MODES, type ModeName, openAt } from './modes.js'
import type { PartResult } from './part.js'
import { type NotRun, withServers } from './servers.js'
import { DURABILITIES } from './shape.js'
import { type BareStore, type DirectStoreOfLab, labStore, STORES, type StoreName } from './stores.js'

/** One field of the matrix. */
export interface Field {
  store: StoreName
  mode: ModeName
  /** The suite of the bare store, or a memory of this durability. */
  of: 'suite' | Durability
  passed: number
  broken: number
  /** Cases that were left out, and why. */
  leftOut: string[]
  /** There is no such memory: what `open` says to whoever asks for it. It is INVALID_OPTION. */
  refused?: string
  notRun?: string
}

export interface MatrixResult extends PartResult {
  fields: Field[]
}

export interface MatrixOptions {
  seed?: number
  stores?: readonly StoreName[] | undefined
  modes?: readonly ModeName[] | undefined
  durabilities?: readonly Durability[] | undefined
  /** Only cases whose name has this in it. */
  only?: string | undefined
  /** Leaves out the store suites. */
  withoutSuite?: boolean | undefined
  onField?(field: Field): void
}

const CHILD = fileURLToPath(new URL('./conformance-child.js', import.meta.url))
/** A writer that says nothing for so long hangs. */
const SILENCE_MS = 60_000
const MODE_NAMES = Object.keys(MODES) as ModeName[]
const REFUSAL = 'what there is not is refused, before anything is made'

export async function proveStores(options: MatrixOptions = {}): Promise<MatrixResult> {
  const started = performance.now()
  const root = await mkdtemp(join(tmpdir(), 'holdfast-stores-'))
  const result = await ending(
    () => rm(root, { recursive: true, force: true }),
    () => withServers(options.stores ?? STORES, notRun => new Matrix(options, root, notRun).run()),
  )
  return { ...result, ms: performance.now() - started }
}

class Matrix {
  readonly #root: string
  readonly #options: MatrixOptions
  readonly #notRun: NotRun
  readonly #seed: number
  readonly #fields: Field[] = []
  readonly #failures: PartResult['failures'] = []
  #folders = 0

  constructor(options: MatrixOptions, root: string, notRun: NotRun) {
    this.#root = root
    this.#options = options
    this.#notRun = notRun
    this.#seed = options.seed ?? 1
  }

  async run(): Promise<MatrixResult> {
    const { stores = STORES, modes = MODE_NAMES, durabilities = DURABILITIES, withoutSuite = false } = this.#options
    for (const store of stores) {
      for (const mode of modes) {
        if (!withoutSuite && MODES[mode].isFor(store)) await this.#field(store, mode, 'suite')
        for (const durability of durabilities) await this.#field(store, mode, durability)
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
      'fields that are refused': this.#fields.filter(({ refused }) => refused !== undefined).length,
      'fields not run': this.#fields.filter(({ notRun }) => notRun !== undefined).length,
    }
    return { name: 'stores', seed: this.#seed, counts, failures: this.#failures, ms: 0, fields: this.#fields }
  }

  async #field(store: StoreName, mode: ModeName, of: Field['of']): Promise<void> {
    const notRun = this.#notRun(store)
    const field: Field = { store, mode, of, passed: 0, broken: 0, leftOut: [], ...(notRun && { notRun }) }
    if (notRun === undefined) await (of === 'suite' ? this.#runSuites(field) : this.#runMemories(field, of))
    this.#fields.push(field)
    this.#options.onField?.(field)
  }

  async #runSuites(field: Field): Promise<void> {
    const { bare, direct } = labStore(field.store)
    if (field.mode === 'direct') await this.#runDirectSuite(field, direct!)
    else for (const each of bare) await this.#runSuite(field, each)
  }

  async #runDirectSuite(field: Field, { open }: DirectStoreOfLab): Promise<void> {
    const cases: { name: string; body: () => Promise<void> }[] = []
    directSuite({
      name: `${field.store}, direct`,
      place: async () => {
        const place = this.#newFolder()
        return () => open(place)
      },
      test: (name, body) => cases.push({ name, body }),
    })
    for (const { name, body } of cases) await this.#case(field, name, body)
  }

  async #runMemories(field: Field, durability: Durability): Promise<void> {
    const { store, mode } = field
    const { durabilities, isFor } = MODES[mode]
    if (!isFor(store) || !durabilities.includes(durability)) {
      await this.#case(field, REFUSAL, async () => {
        field.refused = await refusalOf({ store, mode, durability, folder: this.#newFolder() })
      })
      if (field.refused !== undefined) field.passed = 0
      return
    }
    const without = mode === 'direct' ? labStore(store).direct?.without : undefined
    for (const each of mode === 'direct' ? [...CONFORMANCE, ...DIRECT_CONFORMANCE] : CONFORMANCE) {
      const why = without?.cases.test(each.name) ? without.why : mode === 'direct' ? each.needsLog : undefined
      if (why !== undefined) this.#leaveOut(field, each.name, why)
      else await this.#case(field, each.name, () => this.#runCase(field, durability, each))
    }
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
      if (without?.cases.test(name)) this.#leaveOut(field, name, without.why)
      else await this.#case(field, name, body)
    }
  }

  async #runCase(field: Field, durability: Durability, { run }: ConformanceCase): Promise<void> {
    const { store, mode } = field
    const place: MemoryPlace = { store, mode, durability, folder: this.#newFolder() }
    const opened: AgentMemory[] = []
    const under: MemoryUnderTest = {
      durability,
      async open(options) {
        const memory = await openAt(place, options)
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
    const { store, mode, of } = field
    if (!this.#isChosen(name)) return
    try {
      await body()
      field.passed += 1
    } catch (error) {
      field.broken += 1
      const how = `--store ${store} --mode ${mode}${of === 'suite' ? '' : ` --durability ${of}`}`
      this.#failures.push({
        what: `${store}, ${mode}, ${of}: ${name}: ${error instanceof Error ? error.message : String(error)}`,
        replay: `npm run prove -- stores --seed ${this.#seed} ${how} --case "${name}"`,
      })
    }
  }

  #leaveOut(field: Field, name: string, why: string): void {
    if (this.#isChosen(name)) field.leftOut.push(`${name}: ${why}`)
  }

  #isChosen(name: string): boolean {
    return this.#options.only === undefined || name.includes(this.#options.only)
  }

  #newFolder(): string {
    return join(this.#root, `at-${++this.#folders}`)
  }
}

async function killed(place: MemoryPlace, count: number): Promise<KilledWriter> {
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

/** What whoever asks for a memory that there cannot be is told. */
async function refusalOf(place: MemoryPlace): Promise<string> {
  let memory: AgentMemory
  try {
    memory = await openAt(place)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'INVALID_OPTION')) throw error
    assert.ok(!existsSync(place.folder), 'nothing was made')
    return error.message
  }
  await memory.close()
  throw new Error('it was opened')
}

/** By the word of a store that is looked at in its place. */
async function appliedLsn({ store, mode, folder: parent }: MemoryPlace): Promise<number | undefined> {
  if (mode === 'direct') return undefined
  const lab = labStore(store)
  const { folder, store: place } = parseLocation(lab.location(parent), lab.options?.(parent).folder)
  const status = await folderStatus(nodeFileSystem, folder, place?.path)
  return status.store.unread === undefined && !status.store.atLeast ? status.store.appliedLsn : undefined
}
