/**
 * The readers of the log are given damaged logs, and frames that were forged with right checksums. Whatever they are
 * given, they end soon, with an error of ours or with records that were written; and what is missing then without an
 * error was itself damaged, at the very end.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { AgentMemoryError } from '../src/index.js'
import { LogFolder } from '../src/log/folder.js'
import { readRecords } from '../src/log/record.js'
import { closeSegments, openSegments, scanSegments } from '../src/log/scan.js'
import { verifyLog } from '../src/log/verify.js'
import { BytesFileSystem } from '../test/log/bytes-file-system.js'
import { apply, type Damage, damages, type Forgery, forge, forgeries, PLACE_FIELDS } from './fuzz-damage.js'
import { type FuzzFrame, type FuzzLog, makeFuzzLogs, textOf } from './fuzz-logs.js'

export interface LogFuzzCounts {
  damaged: number
  forged: number
  /** Of both, those that are refused. */
  refused: number
  /** Ends that look as if the last frames had never been written whole. */
  cutShort: number
}

export async function fuzzLogs(runs: number, seed: number): Promise<LogFuzzCounts> {
  const counts = { damaged: 0, forged: 0, refused: 0, cutShort: 0 }
  const logs = await makeFuzzLogs()
  // The last one is large, and takes its time.
  const log = fc.oneof(
    { weight: 15, arbitrary: fc.nat({ max: logs.length - 2 }) },
    { weight: 1, arbitrary: fc.constant(logs.length - 1) },
  )
  await fc.assert(
    fc.asyncProperty(log, damages, (which, list) => judgeDamage(logs[which]!, list, counts)),
    { numRuns: runs, seed },
  )
  await fc.assert(
    fc.asyncProperty(log, forgeries, (which, forgery) => judgeForgery(logs[which]!, forgery, counts)),
    { numRuns: runs, seed },
  )
  return counts
}

async function judgeDamage(log: FuzzLog, list: readonly Damage[], counts: LogFuzzCounts): Promise<void> {
  const files = new Map(log.files)
  for (const damage of list) apply(damage, files, log.fork)
  counts.damaged += 1
  const found = await read(files)
  if (found === 'refused') {
    counts.refused += 1
    await assertNamed(files)
    return
  }
  if (found === 'starts late') return
  const [frames] = [log.frames, log.forkFrames].filter(each => isStart(found, each))
  assert.ok(
    frames !== undefined,
    `records that were not written in this order: ${found.map(text => text.slice(0, 20)).join(' ')}`,
  )
  const lost = frames.slice(found.length)
  if (lost.length > 0) counts.cutShort += 1
  for (const frame of lost) {
    const bytes = files.get(frame.file)?.subarray(frame.offset, frame.offset + frame.bytes.length)
    assert.ok(!bytes?.equals(frame.bytes), `a whole frame is left out, without an error: ${frame.records.slice(0, 20)}`)
  }
  const isDust = list.every(({ kind }) => kind === 'flip' || kind === 'extend')
  assert.ok(lost.length === 0 || !isDust, 'flipped bits are taken for a torn tail')
}

async function judgeForgery(log: FuzzLog, forgery: Forgery, counts: LogFuzzCounts): Promise<void> {
  const index = forgery.frame % log.frames.length
  const frame = log.frames[index]!
  const files = new Map(log.files)
  const bytes = Buffer.from(files.get(frame.file)!)
  files.set(frame.file, bytes)
  if (!forge(bytes, frame.offset, forgery)) return
  counts.forged += 1
  const found = await read(files)
  if (typeof found === 'string') {
    counts.refused += 1
    return
  }
  assert.ok(isStart(found.slice(0, index), log.frames), 'records before a forged frame are not those that were written')
  const isPlaced = bytes.subarray(frame.offset + 16, frame.offset + 24).equals(frame.bytes.subarray(16, 24))
  if (found.length > index) {
    assert.ok(isPlaced && !PLACE_FIELDS.has(forgery.field), 'a frame is taken that belongs elsewhere')
    assert.equal(index, log.frames.length - 1, 'a frame is taken that continues one that is not there')
  }
}

/** The records of each frame, as recovery reads them; or that it refuses, or would, since the store has nothing. */
async function read(files: Map<string, Buffer>): Promise<string[] | 'refused' | 'starts late'> {
  try {
    const segments = await openSegments(folderOf(files))
    try {
      const found: string[] = []
      if (segments[0] !== undefined && segments[0].base > 0) return 'starts late'
      if (segments.length > 0) {
        await scanSegments(segments, 0, ({ body }) => {
          found.push([...readRecords(body)].map(textOf).join(''))
        })
      }
      return found
    } finally {
      await closeSegments(segments)
    }
  } catch (error) {
    if (error instanceof AgentMemoryError) return 'refused'
    throw error
  }
}

async function assertNamed(files: Map<string, Buffer>): Promise<void> {
  try {
    const { problems } = await verifyLog(folderOf(files))
    assert.ok(problems.length > 0, 'verify finds nothing wrong with what is refused')
  } catch (error) {
    assert.ok(error instanceof AgentMemoryError, `verify fails with ${String(error)}`)
  }
}

function folderOf(files: Map<string, Buffer>): LogFolder {
  const fs = new BytesFileSystem()
  for (const [name, bytes] of files) fs.files.set(name, bytes)
  return new LogFolder(fs, '/log')
}

function isStart(found: readonly string[], frames: readonly FuzzFrame[]): boolean {
  return found.length <= frames.length && found.every((records, index) => records === frames[index]!.records)
}
