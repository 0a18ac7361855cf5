/**
 * LevelDB's own logs, kept until LevelDB has opened with all that is in them.
 *
 * If a read of its log fails while it opens, LevelDB leaves out what it could not read, says so in its file LOG only,
 * and removes the log: what was synced is gone for good, and our log may have let go of it. So each log gets a second
 * name, which LevelDB does not know, before the open. If something was left out, the batches of the kept logs are
 * written again; then the second names go, and their removal is synced before anything new is written.
 *
 * What if we crash in between? The second names are still there at the next open. Then everything in them is written
 * again, which changes nothing that was there; unless the database has gone on since, which its mark says.
 */
import { copyFile, link, readdir, readFile, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { systemCode } from '../../core/errors.js'
import { nodeFileSystem } from '../../io/node-file-system.js'
import { batchesOf, byNumber, type LevelLog } from './level-log.js'
import { decodeMark, IDENTITY_KEY, MARK_KEY } from './metadata.js'
import { type BatchOperation, operationsOf } from './write-batch.js'

const KEPT_SUFFIX = '.kept'
const KEPT = /^\d+\.log\.kept$/
/** What LevelDB writes into its file LOG where it goes on without something that it could not read. */
const LEFT_OUT = /dropping \d+ bytes|Ignoring error/

/** What is needed of the open database. */
export interface KeptDatabase {
  get(key: Buffer): Promise<Buffer | undefined>
  /** One synced batch. */
  write(operations: BatchOperation[]): Promise<void>
}

export class KeptLogs {
  readonly #folder: string
  /** Kept by an open that has not come to its end. */
  readonly #isLeftOver: boolean
  readonly #names: string[]
  readonly #lastBatch: Buffer | undefined

  private constructor(folder: string, isLeftOver: boolean, names: string[], lastBatch: Buffer | undefined) {
    this.#folder = folder
    this.#isLeftOver = isLeftOver
    this.#names = names
    this.#lastBatch = lastBatch
  }

  /** Gives each log a second name. `logs` are those of the folder, whose database must not be open. */
  static async keep(folder: string, logs: readonly LevelLog[]): Promise<KeptLogs> {
    const names = await readdir(folder)
    const leftOver = names.filter(name => KEPT.test(name))
    const kept = new Set(leftOver)
    for (const { file: name } of logs) {
      const path = join(folder, name)
      if (kept.has(name + KEPT_SUFFIX) || (await stat(path)).size === 0) continue
      await linkOrCopy(path, path + KEPT_SUFFIX)
      kept.add(name + KEPT_SUFFIX)
    }
    if (kept.size > leftOver.length) await nodeFileSystem.syncFolder(folder)
    const lastBatch = logs.findLast(log => log.lastBatch !== undefined)?.lastBatch
    return new KeptLogs(folder, leftOver.length > 0, [...kept].sort(byNumber), lastBatch)
  }

  /** Makes good what LevelDB has left out, and lets the logs go. The caller syncs the folder before it writes. */
  async settle(database: KeptDatabase): Promise<void> {
    if (this.#names.length === 0) return
    if (this.#isLeftOver ? await this.#hasNotGoneOn(database) : await this.#isLeftOut(database)) {
      const operations: BatchOperation[] = []
      for await (const batch of this.#batches()) operations.push(...operationsOf(batch))
      await database.write(operations)
    }
    await this.release()
  }

  /** Lets the logs go: the database was not opened, and is as it was. */
  async release(): Promise<void> {
    for (const name of this.#names) await unlink(join(this.#folder, name))
  }

  /** Each batch says the mark, or the identity: if the last one's are there, LevelDB has read on to the end. */
  async #isLeftOut(database: KeptDatabase): Promise<boolean> {
    if (LEFT_OUT.test(await textOf(join(this.#folder, 'LOG')))) return true
    if (this.#lastBatch === undefined) return false
    for (const { key, value } of operationsOf(this.#lastBatch)) {
      if (!key.equals(MARK_KEY) && !key.equals(IDENTITY_KEY)) continue
      const found = await database.get(key)
      if (value === undefined || found === undefined || !found.equals(value)) return true
    }
    return false
  }

  async #hasNotGoneOn(database: KeptDatabase): Promise<boolean> {
    let mark: Buffer | undefined
    for await (const batch of this.#batches()) {
      for (const { key, value } of operationsOf(batch)) if (key.equals(MARK_KEY)) mark = value
    }
    return decodeMark(await database.get(MARK_KEY)).appliedLsn <= decodeMark(mark).appliedLsn
  }

  async *#batches(): AsyncGenerator<Buffer> {
    for (const name of this.#names) yield* batchesOf(await readFile(join(this.#folder, name)))
  }
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to)
  } catch (error) {
    // Some file systems know no second names.
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(systemCode(error) ?? '')) throw error
    await copyFile(from, to)
    const file = await nodeFileSystem.open(to, 'write')
    try {
      await file.sync()
    } finally {
      await file.close()
    }
  }
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'latin1')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return ''
    throw error
  }
}
