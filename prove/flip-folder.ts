/**
 * Every bit of the small files of a memory's folder and of its LevelDB store is flipped, each alone, in a real folder.
 * The real memory is opened on each, everything in it is read, and what is refused must be named by `verify` too. It is
 * done in a process of its own: LevelDB ends its process at some kinds of damage within a table.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { AgentMemory } from '../src/index.js'
import { type FlipOrder, type FlippedBit, type FlipReport, filesIn, optionsFor, scanAll } from './flip-folder-bits.js'

export interface FolderFlipCounts {
  bits: number
  harmless: number
  'refused at open': number
  'refused at a read': number
  /** Of the refused ones, those that `verify` names as well. */
  named: number
  /** An entry was gone, or an older value of it stood there, and nobody was told: damage within a table of LevelDB. */
  unseen: number
  /** A `get` said "absent", or gave an older value; a scan says what is wrong, and so does `verify`. */
  hidden: number
  /** LevelDB ended the process: at damage within a table, too. */
  ended: number
}

export interface FolderFlips {
  counts: FolderFlipCounts
  failures: (FlippedBit & { reference: string; what: string })[]
}

export interface FolderFlipOptions {
  /** Every which bit of a small folder; 1 for all. */
  stride: number
  /** And of a log of LevelDB that has more than one block: a single block is lost or kept as a whole. */
  longStride: number
  only?: (FlippedBit & { reference: string }) | undefined
}

interface FolderReference {
  name: string
  make(folder: string): Promise<void>
  /** Of these files bits are flipped. */
  files: RegExp
  stride: number
}

const CHILD = fileURLToPath(new URL('./flip-folder-child.js', import.meta.url))
/** Where there is such a folder: what is read is what counts here, and syncs would take most of the time. */
const IN_RAM = '/dev/shm'
const TABLE = /\.ldb$/
const FAILURES_MAX = 20

export async function flipFolder({ stride, longStride, only }: FolderFlipOptions): Promise<FolderFlips> {
  const flips: FolderFlips = { counts: noCounts(), failures: [] }
  const references: FolderReference[] = [
    // Not the log, whose bits are flipped in logs of their own, nor the text that LevelDB writes for people.
    { name: 'folder', make: makeSmall, files: /^(?!log\/|store\/LOG)/, stride },
    { name: 'folder with a long LevelDB log', make: makeLong, files: /^store\/\d+\.log$/, stride: longStride },
  ]
  for (const reference of references) {
    if (only === undefined || only.reference === reference.name) await flipIn(reference, only, flips)
  }
  return flips
}

async function flipIn(reference: FolderReference, only: FlippedBit | undefined, flips: FolderFlips): Promise<void> {
  const home = await mkdtemp(join(existsSync(IN_RAM) ? IN_RAM : tmpdir(), 'holdfast-flip-'))
  try {
    const [folder, pristine] = [join(home, 'memory'), join(home, 'pristine')]
    await reference.make(folder)
    await cp(folder, pristine, { recursive: true })
    const bits = only === undefined ? await bitsOf(pristine, reference) : [{ file: only.file, bit: only.bit }]
    const order: FlipOrder = { bits, entries: await entriesOf(folder) }
    await writeFile(join(home, 'order.json'), JSON.stringify(order))
    for (let next = 0; next < bits.length && flips.failures.length < FAILURES_MAX; ) {
      next = await runFrom(next, bits, home, reference.name, flips)
    }
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

async function bitsOf(pristine: string, { files, stride }: FolderReference): Promise<FlippedBit[]> {
  const bits: FlippedBit[] = []
  for (const [file, bytes] of await filesIn(pristine)) {
    if (!files.test(file)) continue
    for (let bit = 0; bit < bytes.length * 8; bit += stride) bits.push({ file, bit })
  }
  return bits
}

function noCounts(): FolderFlipCounts {
  const refused = { 'refused at open': 0, 'refused at a read': 0 }
  return { bits: 0, harmless: 0, ...refused, named: 0, unseen: 0, hidden: 0, ended: 0 }
}

/** Runs a process on the bits from `from` on; returns with which one the next process begins. */
async function runFrom(
  from: number,
  bits: readonly FlippedBit[],
  home: string,
  reference: string,
  { counts, failures }: FolderFlips,
): Promise<number> {
  const child = spawn(process.execPath, [CHILD, home, String(from)], { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<NodeJS.Signals | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (_, signal) => resolve(signal))
  })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  let last: FlipReport = { index: from }
  for await (const line of createInterface({ input: child.stdout })) {
    last = JSON.parse(line) as FlipReport
    const { index, done } = last
    if (done === undefined) continue
    counts.bits += 1
    counts[done.outcome] += 1
    if (done.isNamed) counts.named += 1
    if (done.isHidden) counts.hidden += 1
    const bit = bits[index]!
    for (const what of done.faults) failures.push({ reference, ...bit, what })
    if ((done.outcome === 'unseen' || done.isHidden) && !TABLE.test(bit.file)) {
      failures.push({ reference, ...bit, what: 'an entry is gone or old, and nobody is told' })
    }
  }
  const signal = await ended
  if (last.index === bits.length - 1 && last.done !== undefined) return bits.length
  counts.bits += 1
  counts.ended += 1
  const bit = bits[last.index]!
  const isOfLevel = signal === 'SIGABRT' || signal === 'SIGSEGV'
  if (!isOfLevel || !TABLE.test(bit.file))
    failures.push({ reference, ...bit, what: `the process ends: ${errors.slice(0, 500)}` })
  return last.index + 1
}

/** The store has a table, with an older and a newer value of some keys and a delete, and a log of its own. */
async function makeSmall(folder: string): Promise<void> {
  for (const life of [1, 2]) {
    const memory = await AgentMemory.open(folder, optionsFor(folder))
    const map = memory.map('facts')
    for (let number = 0; number < 4; number++) await map.set(`key-${number}`, `key-${number} in life ${life}`)
    await memory.checkpoint()
    await map.set('key-2', `key-2 again in life ${life}`)
    await map.delete('key-3')
    await memory.checkpoint()
    await memory.close()
  }
}

/** The store has everything in a log of its own, over two blocks. */
async function makeLong(folder: string): Promise<void> {
  const memory = await AgentMemory.open(folder, optionsFor(folder))
  const map = memory.map('facts', { durability: 'write-through' })
  for (let number = 0; number < 20; number++) await map.set(`key-${number}`, `key-${number} `.padEnd(2000, 'long '))
  await memory.close()
}

async function entriesOf(folder: string): Promise<FlipOrder['entries']> {
  const memory = await AgentMemory.open(folder, optionsFor(folder))
  const entries = await scanAll(memory)
  await memory.close()
  return entries
}
