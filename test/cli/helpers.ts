/** Real memories in real folders, the real command as a process, and damage by hand. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { AgentMemory, type AgentMemoryOptions } from '../../src/index.js'
import { decodeFrameHeader, type FrameHeader } from '../../src/log/format.js'
import type { OwnerTask } from './owner.js'

const here = dirname(fileURLToPath(import.meta.url))
export const MAIN = join(here, '../../src/cli/main.js')
const OWNER = join(here, 'owner.js')

/** Small segments, so that a log has several. */
export const SMALL_SEGMENTS: AgentMemoryOptions = { segmentBytesMax: 64 * 1024 }

export interface CommandResult {
  code: number | null
  stdout: string
  stderr: string
}

/** A folder of the test's own, removed at its end, and the path of a memory in it that is not there yet. */
export function newPath(t: TestContext, name = 'memory'): string {
  const parent = mkdtempSync(join(tmpdir(), 'holdfast-cli-'))
  t.after(() => rmSync(parent, { recursive: true, force: true }))
  return join(parent, name)
}

export async function command(...args: string[]): Promise<CommandResult> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const result: CommandResult = { code: null, stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => (result.stdout += chunk.toString('utf8')))
  child.stderr.on('data', (chunk: Buffer) => (result.stderr += chunk.toString('utf8')))
  await once(child, 'close')
  result.code = child.exitCode
  return result
}

/** The command with `--json`: its exit code and the object that it prints. */
export async function jsonOf(...args: string[]): Promise<{ code: number | null; json: JsonResult }> {
  const { code, stdout } = await command(...args, '--json')
  return { code, json: JSON.parse(stdout) as JsonResult }
}

/** What of the commands' objects the tests look at. */
export interface JsonResult {
  ok: boolean
  error?: { code: string; message: string; next: string }
  owner: { isOpen: boolean; pid: number; epoch: number }
  store: { kind: string; appliedLsn: number; atLeast: boolean; unread?: string; entries: number }
  log: {
    segments: number
    firstLsn: number
    lastLsn: number
    framesBehind: number
    recordsBehind: number
    frames: number
    tornBytes: number
    cleanClose: boolean
    damage: string[]
  }
  problems: {
    code: string
    message: string
    segment?: string
    offset?: number
    lsns?: { from: number; to?: number }
    key?: string[]
  }[]
  losses: string[]
  entries: number
  rescued: number
  behind: { frames: number; records: number; lsns?: { from: number; to?: number } }
}

/** Starts an owner and waits until it has written everything. */
export async function startOwner(folder: string, task: OwnerTask): Promise<ChildProcess> {
  const child = spawn(process.execPath, [OWNER, folder, JSON.stringify(task)], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  return child
}

export async function kill(child: ChildProcess): Promise<void> {
  const closed = once(child, 'close')
  child.kill('SIGKILL')
  await closed
}

/** A memory that a process has written and left: closed, or killed after its last write was acknowledged. */
export async function makeMemory(folder: string, task: OwnerTask): Promise<void> {
  const child = await startOwner(folder, task)
  if (task.ending === 'hold') await kill(child)
  else if (child.exitCode === null) await once(child, 'close')
}

/** Every entry of the memory's map, by opening it. */
export async function contentOf(folder: string, options: AgentMemoryOptions = {}): Promise<Map<unknown, unknown>> {
  const memory = await AgentMemory.open(folder, options)
  try {
    const entries = new Map<unknown, unknown>()
    for await (const { key, value } of memory.map('map').entries()) entries.set(key, value)
    return entries
  } finally {
    await memory.close()
  }
}

/** A hash of each file of a folder, by its path. */
export function hashesOf(folder: string): Record<string, string> {
  const hashes: Record<string, string> = {}
  for (const name of readdirSync(folder, { recursive: true }).map(String).sort()) {
    const path = join(folder, name)
    if (statSync(path).isFile()) hashes[name] = createHash('sha256').update(readFileSync(path)).digest('hex')
  }
  return hashes
}

export interface FrameOnDisk {
  segment: string
  path: string
  offset: number
  header: FrameHeader
}

/** The frames of a log's files, in order. */
export function framesOf(folder: string): FrameOnDisk[] {
  const frames: FrameOnDisk[] = []
  for (const segment of segmentsOf(folder)) {
    const path = join(folder, 'log', segment)
    const bytes = readFileSync(path)
    for (let offset = 4096; offset < bytes.length; offset += 4096) {
      const header = decodeFrameHeader(bytes, offset)
      if (header !== undefined) frames.push({ segment, path, offset, header })
    }
  }
  return frames
}

export function segmentsOf(folder: string): string[] {
  const names = readdirSync(join(folder, 'log'))
  return names.filter(name => name.endsWith('.log')).sort()
}

/** Changes one byte of a file. */
export function flip(path: string, offset: number): void {
  const bytes = readFileSync(path)
  bytes[offset]! ^= 0x01
  writeFileSync(path, bytes)
}

/** Damages a frame's body. */
export function damage({ path, offset }: FrameOnDisk): void {
  flip(path, offset + 100)
}

/** The frame in which a key stands whose writes were one a frame. */
export function frameOfLsn(folder: string, lsn: number): FrameOnDisk {
  return framesOf(folder).find(({ header }) => header.firstLsn <= lsn && lsn <= header.lastLsn)!
}
