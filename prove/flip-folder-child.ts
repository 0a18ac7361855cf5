/**
 * One process of `prove flip` on a folder: flips the bits of its list, one after another, and tells what comes of each.
 * It tells by calls that have handed the line to the kernel when they return, since LevelDB may end the process.
 */
import { writeSync } from 'node:fs'
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { verifyMemory } from '../src/engine/verify.js'
import { AgentMemory, AgentMemoryError } from '../src/index.js'
import { nodeFileSystem } from '../src/io/node-file-system.js'
import {
  type Entries,
  type FlipOrder,
  type FlipOutcome,
  type FlippedBit,
  type FlipReport,
  filesIn,
  optionsFor,
  scanAll,
} from './flip-folder-bits.js'

/** An error of ours. */
const REFUSED = Symbol('refused')
const [home = '', from = '0'] = process.argv.slice(2)
const folder = join(home, 'flipped')
const files = await filesIn(join(home, 'pristine'))
const { bits, entries: expected } = JSON.parse(await readFile(join(home, 'order.json'), 'utf8')) as FlipOrder

for (let index = Number(from); index < bits.length; index++) {
  report({ index, doing: 'open' })
  report({ index, done: await flip(index, bits[index]!) })
}

async function flip(index: number, bit: FlippedBit): Promise<FlipReport['done']> {
  const faults: string[] = []
  await restore(bit)
  const { outcome, isHidden } = await outcomeOf(faults)
  if (!outcome.startsWith('refused')) return { outcome, isNamed: false, isHidden, faults }
  report({ index, doing: 'verify' })
  await restore(bit)
  const isNamed = await isNamedByVerify()
  if (!isNamed) faults.push(`verify finds nothing wrong with what is ${outcome}`)
  return { outcome, isNamed, isHidden, faults }
}

async function outcomeOf(faults: string[]): Promise<{ outcome: FlipOutcome; isHidden: boolean }> {
  let memory: AgentMemory
  try {
    memory = await AgentMemory.open(folder, optionsFor(folder))
  } catch (error) {
    if (!(error instanceof AgentMemoryError)) faults.push(`opening fails with ${String(error)}`)
    return { outcome: 'refused at open', isHidden: false }
  }
  try {
    const got = await getAll(memory, faults)
    const scanned = await scan(memory, faults)
    return { outcome: outcomeFrom(got, scanned), isHidden: got === 'other' && scanned === 'refused' }
  } finally {
    await memory
      .close({ deadlineMs: 1000 })
      .catch((error: unknown) => void faults.push(`closing fails with ${String(error)}`))
  }
}

type Read = 'right' | 'other' | 'refused'

function outcomeFrom(got: Read, scanned: Read): FlipOutcome {
  if (got === 'right' && scanned === 'right') return 'harmless'
  return got === 'refused' || scanned === 'refused' ? 'refused at a read' : 'unseen'
}

async function getAll(memory: AgentMemory, faults: string[]): Promise<Read> {
  const found: Entries = {}
  for (const key of Object.keys(expected)) {
    const value = await attempt(() => memory.map('facts').get(key), faults)
    if (value === REFUSED) return 'refused'
    if (value !== undefined) found[key] = value
  }
  return compare(found, faults)
}

async function scan(memory: AgentMemory, faults: string[]): Promise<Read> {
  const found = await attempt(() => scanAll(memory), faults)
  return found === REFUSED ? 'refused' : compare(found, faults)
}

function compare(found: Entries, faults: string[]): Read {
  if (isDeepStrictEqual(found, expected)) return 'right'
  for (const [key, value] of Object.entries(found)) {
    if (!String(value).startsWith(`${key} `)) faults.push(`a value that was never written: ${key} is ${String(value)}`)
  }
  return 'other'
}

async function attempt<T>(read: () => Promise<T>, faults: string[]): Promise<T | typeof REFUSED> {
  try {
    return await read()
  } catch (error) {
    if (!(error instanceof AgentMemoryError)) faults.push(`reading fails with ${String(error)}`)
    return REFUSED
  }
}

async function isNamedByVerify(): Promise<boolean> {
  try {
    const { problems, store } = await verifyMemory(nodeFileSystem, folder)
    // A kind of store that it does not know is told, but may be one of the caller's own.
    return problems.length > 0 || store.unchecked !== undefined
  } catch (error) {
    return error instanceof AgentMemoryError
  }
}

async function restore({ file, bit }: FlippedBit): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  for (const [name, bytes] of files) {
    const path = join(folder, name)
    await mkdir(dirname(path), { recursive: true })
    const flipped = name === file ? Buffer.from(bytes) : bytes
    if (name === file) flipped[bit >>> 3]! ^= 1 << (bit & 7)
    await writeFile(path, flipped)
    await chmod(path, 0o600)
  }
}

function report(line: FlipReport): void {
  writeSync(1, `${JSON.stringify(line)}\n`)
}
