/**
 * The real file system: `node:fs` on plain file descriptors. A `FileHandle` closes itself when it is collected, and has
 * no calls on the calling thread; a descriptor has neither trouble.
 */
import fs from 'node:fs'
import { systemCode } from '../core/errors.js'
import type { File, FileLock, FileSystem } from './file-system.js'

const FOLDER_MODE = 0o700
const FILE_MODE = 0o600

const OPEN_FLAGS = { read: 'r', write: 'r+', create: 'wx+' } as const

/** What `statfs` of Linux says of the file systems that we have a word for (statfs(2)). */
const KIND_BY_MAGIC = new Map([
  [0x01021994, 'tmpfs'],
  [0x858458f6, 'ramfs'],
  [0x794c7630, 'overlay'],
  [0xef53, 'ext'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x2fc12fc1, 'zfs'],
  [0xf2f52010, 'f2fs'],
  [0xca451a4e, 'bcachefs'],
  [0x4d44, 'fat'],
  [0x2011bab0, 'exfat'],
  [0x5346544e, 'ntfs'],
  [0x7366746e, 'ntfs'],
  [0x6969, 'nfs'],
  [0xff534d42, 'cifs'],
  [0xfe534d42, 'smb2'],
  [0x517b, 'smb'],
  [0x01021997, '9p'],
  [0x65735546, 'fuse'],
  [0x73717368, 'squashfs'],
])

/**
 * Where to lock. On Windows a lock is mandatory, so a byte that no file reaches is locked instead of the text that
 * others have to read. Elsewhere it is advisory, and macOS locks whole files only.
 */
const LOCKED_RANGE: [number, number] = process.platform === 'win32' ? [2 ** 40, 1] : [0, 0]

export const nodeFileSystem: FileSystem = {
  makeFolder: path => settle<void>(done => fs.mkdir(path, FOLDER_MODE, done)),
  list: path => settle<string[]>(done => fs.readdir(path, done)),

  async open(path, how) {
    return new NodeFile(await settle<number>(done => fs.open(path, OPEN_FLAGS[how], FILE_MODE, done)))
  },

  rename: (from, to) => settle<void>(done => fs.rename(from, to, done)),
  unlink: path => settle<void>(done => fs.unlink(path, done)),

  async syncFolder(path) {
    // Windows opens no folder for a flush, and NTFS writes names through a journal of its own.
    if (process.platform === 'win32') return
    const fd = await settle<number>(done => fs.open(path, 'r', done))
    try {
      await settle<void>(done => fs.fsync(fd, done))
    } finally {
      await closeDescriptor(fd)
    }
  },

  async lock(path) {
    const { O_CREAT, O_RDWR } = fs.constants
    const fd = await settle<number>(done => fs.open(path, O_RDWR | O_CREAT, FILE_MODE, done))
    try {
      if (await tryLock(fd)) return new NodeFileLock(fd)
    } catch (error) {
      await closeDescriptor(fd)
      throw error
    }
    await closeDescriptor(fd)
    return undefined
  },

  async kindOf(path) {
    if (process.platform !== 'linux') return 'unknown'
    const { type } = await settle<fs.StatsFs>(done => fs.statfs(path, done))
    return KIND_BY_MAGIC.get(type) ?? 'unknown'
  },
}

class NodeFile implements File {
  readonly #fd: number

  constructor(fd: number) {
    this.#fd = fd
  }

  async size(): Promise<number> {
    return (await settle<fs.Stats>(done => fs.fstat(this.#fd, done))).size
  }

  read(buffer: Buffer, position: number): Promise<number> {
    return settle(done => fs.read(this.#fd, buffer, 0, buffer.length, position, done))
  }

  write(buffer: Buffer, position: number): Promise<number> {
    return settle(done => fs.write(this.#fd, buffer, 0, buffer.length, position, done))
  }

  writeNow(buffer: Buffer, position: number): number {
    return fs.writeSync(this.#fd, buffer, 0, buffer.length, position)
  }

  dataSync(): Promise<void> {
    return settle(done => fs.fdatasync(this.#fd, done))
  }

  dataSyncNow(): void {
    fs.fdatasyncSync(this.#fd)
  }

  sync(): Promise<void> {
    return settle(done => fs.fsync(this.#fd, done))
  }

  truncate(size: number): Promise<void> {
    return settle(done => fs.ftruncate(this.#fd, size, done))
  }

  close(): Promise<void> {
    return closeDescriptor(this.#fd)
  }
}

class NodeFileLock implements FileLock {
  readonly #fd: number
  #isReleased = false

  constructor(fd: number) {
    this.#fd = fd
  }

  async write(text: string): Promise<void> {
    const bytes = Buffer.from(text, 'utf8')
    // Written before the rest is cut off: a reader may see a mix of two texts, but never an empty file.
    for (let done = 0; done < bytes.length; ) {
      done += await settle<number>(call => fs.write(this.#fd, bytes, done, bytes.length - done, done, call))
    }
    await settle<void>(done => fs.ftruncate(this.#fd, bytes.length, done))
  }

  async release(): Promise<void> {
    // Once only: the number of a closed descriptor may by now belong to another file.
    if (this.#isReleased) return
    this.#isReleased = true
    // The lock belongs to the open file description, which closing ends. The file stays: unlinking it would let one
    // process lock the old file while another locks a new one of the same name.
    await closeDescriptor(this.#fd)
  }
}

/**
 * The kernel's lock of this open file description: an OFD lock on Linux, `flock` on macOS, `LockFileEx` on Windows. All
 * of them also refuse a second description of the same process, so no list of our own locks is needed.
 */
async function tryLock(fd: number): Promise<boolean> {
  // Loaded when it is needed: where there is no native build of it, only locking fails.
  const native = await import('fs-native-extensions')
  try {
    return native.tryLock(fd, ...LOCKED_RANGE)
  } catch (error) {
    // Windows answers EBUSY for a range that is locked, which the package does not turn into `false`.
    if (systemCode(error) === 'EBUSY') return false
    throw error
  }
}

function closeDescriptor(fd: number): Promise<void> {
  return settle(done => fs.close(fd, done))
}

/** A call with a callback, as a promise. */
function settle<T>(start: (done: (error: Error | null, value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error === null || error === undefined ? resolve(value) : reject(error)))
  })
}
