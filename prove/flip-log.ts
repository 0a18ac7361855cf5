/**
 * Every bit of the logs of some memories is flipped, each alone. The log's readers look at every one; wherever the byte
 * means something, the real engine is opened as well and everything in it is read.
 */
import { isDeepStrictEqual } from 'node:util'
import { AgentMemoryError } from '../src/index.js'
import { LogFolder } from '../src/log/folder.js'
import { readRecords } from '../src/log/record.js'
import { closeSegments, openSegments, scanSegments } from '../src/log/scan.js'
import { verifyLog } from '../src/log/verify.js'
import { openJournalStore } from '../src/testing/journal-store.js'
import type { SimulatedDisk } from '../src/testing/simulated-disk.js'
import { BytesFileSystem } from '../test/log/bytes-file-system.js'
import { entriesOf, FOLDER, makeReferences, openEngine, type Reference } from './flip-references.js'

/** One flipped bit. */
export interface Flip {
  reference: string
  file: string
  bit: number
}

export interface LogFlipCounts {
  bits: number
  /** Bits whose damage is refused, with its name; those that change nothing; those that are taken for a torn tail. */
  refused: number
  harmless: number
  toldAsTorn: number
  /** Bits after whose flip the engine was opened. */
  opened: number
  /** Refused bits that `verify` names as well. */
  named: number
}

export interface LogFlips {
  counts: LogFlipCounts
  failures: (Flip & { what: string })[]
}

/** Bytes that fill. */
const FILLING = new Set([0, 0xa5])
/** The engine is opened for every which bit of the others, and of these. */
const OPEN_STRIDE = 11
const FILLING_OPEN_STRIDE = 509
const FAILURES_MAX = 20

export interface LogFlipOptions {
  /** Every which bit of bytes that mean something; 1 for all. */
  stride: number
  /** And of those that fill. */
  fillingStride: number
  /** Only this one. */
  only?: Flip | undefined
}

export async function flipLogs({ stride, fillingStride, only }: LogFlipOptions): Promise<LogFlips> {
  const counts = { bits: 0, refused: 0, harmless: 0, toldAsTorn: 0, opened: 0, named: 0 }
  const found: LogFlips = { counts, failures: [] }
  for (const reference of await makeReferences()) {
    if (only !== undefined && only.reference !== reference.name) continue
    const flipper = await LogFlipper.of(reference, found)
    for (const [file, bytes] of flipper.files) {
      if (only === undefined ? reference.isLastOnly && file !== flipper.lastFile : only.file !== file) continue
      const from = only?.bit ?? 0
      const to = only === undefined ? bytes.length * 8 : from + 1
      for (let bit = from; bit < to && found.failures.length < FAILURES_MAX; bit++) {
        const isFilling = FILLING.has(bytes[bit >>> 3]!)
        const every = isFilling ? fillingStride : stride
        if (only === undefined && bit % every !== 0) continue
        const opens = only !== undefined || bit % (isFilling ? FILLING_OPEN_STRIDE : OPEN_STRIDE) === 0
        await flipper.flip(file, bytes, bit, opens)
      }
    }
  }
  return found
}

class LogFlipper {
  readonly #reference: Reference
  readonly #log: BytesFileSystem
  readonly #applied: number
  readonly #intact: string
  readonly #found: LogFlips

  static async of(reference: Reference, found: LogFlips): Promise<LogFlipper> {
    const log = await BytesFileSystem.of(reference.disk, `${FOLDER}/log`)
    // A file that waits to become a segment holds nothing, and is thrown away at the next open.
    log.files.delete('spare')
    const store = await openJournalStore(reference.disk.clone(), `${FOLDER}/store`)
    const { appliedPosition } = await store.mark()
    const { records } = await readLog(log, appliedPosition)
    return new LogFlipper(reference, log, appliedPosition, records, found)
  }

  private constructor(reference: Reference, log: BytesFileSystem, applied: number, intact: string, found: LogFlips) {
    this.#reference = reference
    this.#log = log
    this.#applied = applied
    this.#intact = intact
    this.#found = found
  }

  get files(): Map<string, Buffer> {
    return this.#log.files
  }

  get lastFile(): string | undefined {
    return [...this.#log.files.keys()].sort().at(-1)
  }

  async flip(file: string, bytes: Buffer, bit: number, opens: boolean): Promise<void> {
    const { counts, failures } = this.#found
    const at = bit >>> 3
    const mask = 1 << (bit & 7)
    const fail = (what: string) => void failures.push({ reference: this.#reference.name, file, bit, what })
    counts.bits += 1
    bytes[at]! ^= mask
    try {
      const outcome = await this.#read(fail)
      counts[outcome] += 1
      if (outcome === 'refused') await this.#verify(fail)
      if (opens) await this.#open(file, at, bytes[at]!, outcome, fail)
    } finally {
      bytes[at]! ^= mask
    }
  }

  /** As recovery reads it, without the rest of the engine. */
  async #read(fail: (what: string) => void): Promise<'refused' | 'harmless' | 'toldAsTorn'> {
    try {
      const { records, tornBytes } = await readLog(this.#log, this.#applied)
      if (records !== this.#intact) fail(`other records are read, and no error: ${tornBytes} bytes count as torn`)
      return tornBytes > 0 ? 'toldAsTorn' : 'harmless'
    } catch (error) {
      if (!isNamed(error)) fail(`the reader fails with ${String(error)}`)
      return 'refused'
    }
  }

  async #verify(fail: (what: string) => void): Promise<void> {
    try {
      const { problems } = await verifyLog(new LogFolder(this.#log, '/log'))
      if (problems.length === 0) fail('verify finds nothing wrong with a log that is refused')
      else this.#found.counts.named += 1
    } catch (error) {
      fail(`verify fails with ${String(error)}`)
    }
  }

  async #open(file: string, at: number, byte: number, read: string, fail: (what: string) => void): Promise<void> {
    const disk = this.#reference.disk.clone()
    await overwrite(disk, `${FOLDER}/log/${file}`, at, byte)
    this.#found.counts.opened += 1
    try {
      const engine = await openEngine(disk)
      const entries = await entriesOf(engine)
      if (!isDeepStrictEqual(entries, this.#reference.entries)) fail('the engine serves something else, and no error')
      else if (read === 'refused') fail('the engine opens what its readers refuse')
    } catch (error) {
      if (!isNamed(error)) fail(`the engine fails with ${String(error)}`)
      else if (read !== 'refused') fail(`the engine refuses what its readers take: ${String(error)}`)
    } finally {
      disk.powerOff()
    }
  }
}

/** All records behind a position, as recovery reads them, in one text. */
export async function readLog(log: BytesFileSystem, from: number): Promise<{ records: string; tornBytes: number }> {
  const segments = await openSegments(new LogFolder(log, '/log'))
  try {
    let records = ''
    const { tornBytes } = await scanSegments(segments, from, ({ body }) => {
      for (const { key, lsn, value } of readRecords(body)) records += `${key} ${lsn} ${value?.latin1Slice()}\n`
    })
    return { records, tornBytes }
  } finally {
    await closeSegments(segments)
  }
}

async function overwrite(disk: SimulatedDisk, path: string, at: number, byte: number): Promise<void> {
  const file = await disk.open(path, 'write')
  await file.write(Buffer.from([byte]), at)
  await file.sync()
  await file.close()
}

function isNamed(error: unknown): boolean {
  return error instanceof AgentMemoryError && ['LOG_CORRUPT', 'LOG_LOST', 'STORE_REGRESSED'].includes(error.code)
}
