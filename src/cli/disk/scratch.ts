/**
 * A folder of a command's own within the folder that it looks at. It is removed however the command ends, by Ctrl-C too;
 * what a command that was killed outright has left, the next one removes.
 */
import type { ChildProcess } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { constants } from 'node:os'
import { join } from 'node:path'
import { systemCode } from '../../core/errors.js'
import { folderError } from '../../engine/memory-folder.js'
import type { FileLock } from '../../io/file-system.js'
import { nodeFileSystem } from '../../io/node-file-system.js'

const PREFIX = '.holdfast-scratch-'
/** Locked while the command lives: what has it and is not locked was left behind. */
const IN_USE = 'in-use.lock'
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const REMOVAL_TRIES = 40
const REMOVAL_PAUSE_MS = 25

export class Scratch {
  readonly path: string
  readonly #lock: FileLock | undefined
  #child: ChildProcess | undefined

  private constructor(path: string, lock: FileLock | undefined) {
    this.path = path
    this.#lock = lock
  }

  /** Makes one, and removes it after `use`. FOLDER_NOT_WRITABLE, DISK_FULL. */
  static async within<T>(folder: string, use: (scratch: Scratch) => Promise<T>): Promise<T> {
    const scratch = await Scratch.#make(folder)
    const onExit = () => scratch.#removeNow()
    const onSignal = (signal: NodeJS.Signals) => process.exit(128 + constants.signals[signal])
    process.on('exit', onExit)
    for (const signal of SIGNALS) process.on(signal, onSignal)
    try {
      return await use(scratch)
    } finally {
      await scratch.#lock?.release()
      scratch.#removeNow()
      process.off('exit', onExit)
      for (const signal of SIGNALS) process.off(signal, onSignal)
    }
  }

  static async #make(folder: string): Promise<Scratch> {
    let path: string
    try {
      path = await mkdtemp(join(folder, PREFIX))
    } catch (error) {
      throw folderError(folder, error)
    }
    return new Scratch(path, await lockAndTidy(folder, path))
  }

  /** The child that is killed before the folder is removed, so that it makes nothing in it anew. */
  watch(child: ChildProcess): void {
    this.#child = child
  }

  /** On the calling thread, since it is also what is done last of all in a process. */
  #removeNow(): void {
    this.#child?.kill('SIGKILL')
    for (let tries = 1; ; tries++) {
      try {
        rmSync(this.path, { recursive: true, force: true })
        return
      } catch (error) {
        if (tries === REMOVAL_TRIES) {
          process.stderr.write(`${this.path} could not be removed (${systemCode(error)}): remove it by hand\n`)
          return
        }
        // A child that is being killed, or a thread of ours, may have made a file meanwhile.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, REMOVAL_PAUSE_MS)
      }
    }
  }
}

/** Says that the scratch folder is in use, and removes those that are not. */
async function lockAndTidy(folder: string, path: string): Promise<FileLock | undefined> {
  let lock: FileLock | undefined
  try {
    const inUse = join(path, IN_USE)
    lock = await nodeFileSystem.lock(inUse)
    const second = await nodeFileSystem.lock(inUse)
    // Where the kernel's lock keeps nobody out, it does not tell what is in use either.
    if (second === undefined) await removeLeftOvers(folder)
    else await second.release()
  } catch (error) {
    // Tidying up after others may fail, or not be possible where the kernel's lock is not: what they left then stays.
    if (systemCode(error) === undefined) throw error
  }
  return lock
}

async function removeLeftOvers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith(PREFIX)) continue
    const path = join(folder, name)
    const inUse = join(path, IN_USE)
    // One without the file is just being made.
    if (!(await exists(inUse))) continue
    const lock = await nodeFileSystem.lock(inUse)
    if (lock === undefined) continue
    await lock.release()
    await rm(path, { recursive: true, force: true, maxRetries: 5 })
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false
    throw error
  }
}
