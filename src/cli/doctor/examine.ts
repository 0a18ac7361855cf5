/** Looks at a place, step by step. What goes wrong on the way is a finding; what needs it is left out then. */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AgentMemoryError, systemCode } from '../../core/errors.js'
import type { Durability } from '../../index.js'
import { type FileLock, writeFully } from '../../io/file-system.js'
import { nodeFileSystem } from '../../io/node-file-system.js'
import { type FileSystemFacts, fileSystemFacts } from '../disk/file-system-kind.js'
import type { Place } from '../disk/place.js'
import { Scratch } from '../disk/scratch.js'
import { SyncedBlocks } from '../disk/synced-blocks.js'
import { rawSide, WrittenMemory } from '../measure/sides.js'
import { type Measured, measure, type Pace } from '../measure/slices.js'
import { messageOf, systemError } from '../output.js'
import type { Spread } from '../statistics.js'
import { type Check, checkFilled, checkKills, checkKind, checkSpace, checkSync } from './checks.js'
import { type KillReport, killLives } from './kills.js'

export interface Findings {
  fileSystem: FileSystemFacts
  checks: Check[]
  /** A block written and synced, in microseconds. */
  syncUs?: Spread
  /** A write of each durability by one writer. */
  latencies?: Record<Durability, Measured>
  kills?: KillReport
}

const SYNC_PACE: Pace = { rounds: 4, sliceMs: 50, callsMin: 75 }
// Few calls, since each may take a block of the log: on a disk with little room others live as well.
const LATENCY_PACE: Pace = { rounds: 5, sliceMs: 100, callsMin: 40, callsMax: 200 }

export async function examine(place: Place, lives: number, say: (text: string) => void): Promise<Findings> {
  const fileSystem = await fileSystemFacts(place.nearest)
  const findings: Findings = { fileSystem, checks: [checkKind(fileSystem), checkSpace(fileSystem)] }
  const { checks } = findings
  const isFine = () => checks.every(({ level }) => level !== 'problem')
  await find(checks, 'write', () =>
    Scratch.within(place.nearest, async scratch => {
      checks.push(await checkWrite(place, scratch))
      // A disk that is nearly full is left alone: its last room is for those who live on it.
      if (!isFine()) return
      await find(checks, 'sync', async () => {
        findings.syncUs = await syncLatency(scratch, say)
        checks.push(checkSync(findings.syncUs, fileSystem, await hasNoSyncs()))
      })
      await find(checks, 'names', async () => checks.push(await checkNames(scratch)))
      await find(checks, 'lock', async () => checks.push(await checkLock(scratch)))
      if (isFine()) {
        await find(checks, 'kills', async () => {
          findings.latencies = await latencies(scratch, say)
          findings.kills = await killLives(scratch, lives, done => say(`kills: ${done} of ${lives}`))
          checks.push(checkKills(findings.kills))
        })
      }
      if (!isFine()) await findWhetherFilled(place, checks)
    }),
  )
  return findings
}

/** Does a step; an answer of the system that ends it is a problem under its name. */
async function find(checks: Check[], name: Check['name'], step: () => Promise<unknown>): Promise<void> {
  try {
    await step()
  } catch (cause) {
    if (!(cause instanceof AgentMemoryError) && systemCode(cause) === undefined) throw cause
    const error = cause instanceof AgentMemoryError ? cause : systemError(cause)
    const text = messageOf(error)
    const next = systemCode(error.cause) === 'EROFS' ? 'Mount it for writing, or choose another folder' : error.next
    checks.push({ name, level: 'problem', text: text[0]!.toLowerCase() + text.slice(1), next })
  }
}

/** Others may have filled the disk meanwhile, which then explains everything else that went wrong. */
async function findWhetherFilled(place: Place, checks: Check[]): Promise<void> {
  const filled = checkFilled(await fileSystemFacts(place.nearest))
  if (filled !== undefined)
    checks.splice(
      checks.findIndex(({ name }) => name === 'space'),
      1,
      filled,
    )
}

/** The scratch folder was made; who else can look into it is what is left to say. */
async function checkWrite(place: Place, scratch: Scratch): Promise<Check> {
  const { mode, uid } = await stat(scratch.path)
  const owner = (await stat(place.nearest)).uid
  // Windows keeps rights elsewhere, and shows these for show.
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    const text = 'files can be made, and others on this machine can read them whatever their mode'
    return { name: 'write', level: 'warning', text, next: 'Mount it so that its files belong to the agent alone' }
  }
  const who =
    uid === 0 && owner !== 0
      ? `; by root, while the folder belongs to user ${owner}: ask again as the user of the agent`
      : ''
  return { name: 'write', level: 'ok', text: `files can be made here, for this user alone${who}` }
}

async function syncLatency(scratch: Scratch, say: (text: string) => void): Promise<Spread> {
  const blocks = new SyncedBlocks(join(scratch.path, 'blocks'))
  try {
    const [measured] = await measure([rawSide(blocks)], SYNC_PACE, round =>
      say(`sync: ${round} of ${SYNC_PACE.rounds}`),
    )
    return measured!.latencyUs
  } finally {
    blocks.close()
  }
}

/** Whether the library is loaded that is made to turn syncs into nothing. */
async function hasNoSyncs(): Promise<boolean> {
  if (process.platform !== 'linux') return false
  return (await readFile('/proc/self/maps', 'utf8')).includes('libeatmydata')
}

/** A file replaced in one step, and the folder synced: what the log and `holdfast.json` rest on. */
async function checkNames(scratch: Scratch): Promise<Check> {
  for (const text of ['old', 'new']) {
    const file = await nodeFileSystem.open(join(scratch.path, `name.${text}`), 'create')
    try {
      await writeFully(file, Buffer.from(text), 0)
      await file.sync()
    } finally {
      await file.close()
    }
  }
  const path = join(scratch.path, 'name.old')
  await nodeFileSystem.rename(join(scratch.path, 'name.new'), path)
  await nodeFileSystem.syncFolder(scratch.path)
  if ((await readFile(path, 'utf8')) === 'new') {
    return { name: 'names', level: 'ok', text: 'a file is replaced in one step, and a folder can be synced' }
  }
  return {
    name: 'names',
    level: 'problem',
    text: 'a file that was renamed over another one is not there',
    next: 'Choose another disk',
  }
}

/** Whether the kernel lets one holder of the lock in and keeps the next one out, and lets it in afterwards. */
async function checkLock(scratch: Scratch): Promise<Check> {
  const path = join(scratch.path, 'tried.lock')
  const held: (FileLock | undefined)[] = []
  try {
    held.push(await nodeFileSystem.lock(path))
    held.push(await nodeFileSystem.lock(path))
    await held[0]?.release()
    held.push(await nodeFileSystem.lock(path))
  } catch (cause) {
    const text = `the kernel's lock does not work here: ${cause instanceof Error ? cause.message : String(cause)}`
    return {
      name: 'lock',
      level: 'problem',
      text,
      next: 'Choose a local disk; on a network file system, let its server do locks',
    }
  } finally {
    for (const lock of held) await lock?.release()
  }
  const [first, second, third] = held
  if (first !== undefined && second === undefined && third !== undefined) {
    return { name: 'lock', level: 'ok', text: "the kernel's lock keeps a second owner out" }
  }
  const text = "the kernel's lock is not kept: two processes could own one memory"
  return {
    name: 'lock',
    level: 'problem',
    text,
    next: 'Choose a local disk; on a network file system, let its server do locks',
  }
}

async function latencies(scratch: Scratch, say: (text: string) => void): Promise<Record<Durability, Measured>> {
  const memory = await WrittenMemory.open(scratch.path)
  try {
    const sides = (['write-back', 'write-ahead', 'write-through'] as const).map(each => memory.set(each, 1))
    const measured = await measure(sides, LATENCY_PACE, round => say(`latency: ${round} of ${LATENCY_PACE.rounds}`))
    return { 'write-back': measured[0]!, 'write-ahead': measured[1]!, 'write-through': measured[2]! }
  } finally {
    await memory.close()
  }
}
