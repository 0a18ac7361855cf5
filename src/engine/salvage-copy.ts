/**
 * A fresh memory that is filled with what was saved from another one. Stored values and records go over as the bytes
 * that they are, so every entry keeps its LSN, which is its version.
 *
 * `holdfast.json` is written last: until then the folder is none that could be opened.
 */
import { join } from 'node:path'
import type { EncodedKey } from '../core/key.js'
import type { Lsn } from '../core/lsn.js'
import type { Clock } from '../io/clock.js'
import type { FileLock, FileSystem } from '../io/file-system.js'
import { LogFolder } from '../log/folder.js'
import { alignUp, BLOCK_BYTES, FrameType } from '../log/format.js'
import { Log } from '../log/log.js'
import { readRecord } from '../log/record.js'
import type { VerifiedFrame } from '../log/verify.js'
import type { DataStore, Mark, StoredEntry } from '../stores/data-store.js'
import type { StoreOpener } from './config.js'
import { ensureFolder, FOLDER_FORMAT, prepareFolder, randomId, takeOwnership, writeIdentity } from './memory-folder.js'
import type { SalvageSink } from './salvage.js'
import type { SalvageReport } from './salvage-report.js'

// The lost part of a log may have handed out LSNs that nobody remembers: fewer than these.
const LSN_GAP = 2 ** 40
// Each frame of the copy costs a sync, so that many small ones become one.
const FRAME_BYTES = 4 << 20
const SEGMENT_BYTES_MIN = 1 << 20
const SEGMENT_BYTES_MAX = 64 << 20

export class MemoryCopy implements SalvageSink {
  readonly #fs: FileSystem
  readonly #clock: Clock
  readonly #folder: string
  readonly #plan: SalvageReport
  readonly #identity = { storeId: randomId(), logId: randomId(), epoch: 1 }
  readonly #lock: FileLock
  readonly #store: DataStore
  #log: Log | undefined
  /** Newest record of each key in the frame to come, as the bytes that it is. */
  #records = new Map<EncodedKey, Buffer>()
  #recordBytes = 0
  #lsns: { first: Lsn; last: Lsn } | undefined

  /** Makes an empty one in a folder that is empty, or does not exist. `plan` is what a walk without a sink has said. */
  static async create(
    fs: FileSystem,
    clock: Clock,
    folder: string,
    plan: SalvageReport,
    opener: StoreOpener,
  ): Promise<MemoryCopy> {
    await prepareFolder(fs, folder)
    const lock = await takeOwnership(fs, folder)
    try {
      await ensureFolder(fs, join(folder, 'log'))
      return new MemoryCopy(fs, clock, folder, plan, lock, await opener.open(true))
    } catch (error) {
      await lock.release()
      throw error
    }
  }

  private constructor(
    fs: FileSystem,
    clock: Clock,
    folder: string,
    plan: SalvageReport,
    lock: FileLock,
    store: DataStore,
  ) {
    this.#fs = fs
    this.#clock = clock
    this.#folder = folder
    this.#plan = plan
    this.#lock = lock
    this.#store = store
  }

  async entries(entries: StoredEntry[]): Promise<void> {
    if (entries.length === 0) return
    const changes = [...entries].sort((a, b) => (a.key < b.key ? -1 : 1))
    await this.#store.apply(changes, { appliedLsn: 0, appliedPosition: 0 })
  }

  async startLog(): Promise<void> {
    const mark: Mark = this.#plan.start
    await this.#store.setIdentity(this.#identity)
    await this.#store.apply([], mark)
    await this.#store.flush()
    const bytes = alignUp(this.#plan.kept.bytes) + 4 * BLOCK_BYTES
    this.#log = await Log.start(new LogFolder(this.#fs, join(this.#folder, 'log')), undefined, {
      ...this.#identity,
      clock: this.#clock,
      firstFreeLsn: this.#plan.ceiling + LSN_GAP,
      mark: { lsn: mark.appliedLsn, position: mark.appliedPosition },
      segmentBytesMin: Math.min(SEGMENT_BYTES_MAX, Math.max(SEGMENT_BYTES_MIN, bytes)),
      segmentBytesMax: SEGMENT_BYTES_MAX,
    })
  }

  async frame({ header, body }: VerifiedFrame): Promise<void> {
    for (let offset = 0; offset < body.length; ) {
      const { record, end } = readRecord(body, offset)
      this.#recordBytes += end - offset - (this.#records.get(record.key)?.length ?? 0)
      this.#records.set(record.key, Buffer.from(body.subarray(offset, end)))
      offset = end
    }
    this.#lsns = { first: this.#lsns?.first ?? header.firstLsn, last: header.lastLsn }
    if (this.#recordBytes >= FRAME_BYTES) await this.#writeFrame()
  }

  /** Makes a memory of it. Durable when it returns. */
  async complete(): Promise<void> {
    if (this.#records.size > 0) await this.#writeFrame()
    await this.close()
    const { kind: store } = this.#store.capabilities
    await writeIdentity(this.#fs, this.#folder, { format: FOLDER_FORMAT, memoryId: randomId(), store, complete: true })
    await this.#lock.release()
  }

  /** Gives everything up that is open. */
  async close(): Promise<void> {
    await this.#log?.close()
    await this.#store.close()
  }

  /** Gives up; what has been made stays, and is no memory. */
  async abandon(): Promise<void> {
    await Promise.allSettled([this.close(), this.#lock.release()])
  }

  async #writeFrame(): Promise<void> {
    const log = this.#log!
    if (!log.fits(this.#recordBytes)) await log.makeRoom(this.#recordBytes)
    log.builder.begin(this.#recordBytes)
    for (const record of this.#records.values()) log.builder.addBody(record, 1)
    const { appliedLsn, appliedPosition } = this.#plan.start
    await log.append(log.seal(FrameType.writes, this.#lsns!, { lsn: appliedLsn, position: appliedPosition }))
    log.noteLastLsn(this.#lsns!.last)
    this.#records = new Map()
    this.#recordBytes = 0
    this.#lsns = undefined
  }
}
