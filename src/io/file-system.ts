/**
 * The dozen calls that Holdfast makes of a file system. Everything on disk, but for what a store keeps by means of its
 * own library, goes through here, so that a test can cut the power at any of them.
 *
 * Errors are the system's, with its `code` (ENOENT, ENOSPC, EIO …). Paths are absolute.
 */
export interface FileSystem {
  /** Makes one folder with mode 0700. Fails with EEXIST if something is there, ENOENT if its parent is not. */
  makeFolder(path: string): Promise<void>
  /** The names in a folder, in any order. */
  list(path: string): Promise<string[]>
  /** Opens a file for reading and writing; `create` makes it, mode 0600, and fails with EEXIST if it is there. */
  open(path: string, how: 'read' | 'write' | 'create'): Promise<File>
  /** Puts a file under another name in one step; an existing file of that name is replaced. */
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  /** Makes the names in a folder durable. */
  syncFolder(path: string): Promise<void>
  /**
   * Takes the kernel's exclusive lock of a file, which is made if it is not there. `undefined` if another process has
   * it. The lock ends with `release` or with the process, however it ends.
   */
  lock(path: string): Promise<FileLock | undefined>
  /** What kind of file system a folder is on, such as `ext`, `tmpfs`, `overlay`; `unknown` where it cannot be told. */
  kindOf(path: string): Promise<string>
}

/** An open file. A write may be short: it returns how many bytes it took. */
export interface File {
  size(): Promise<number>
  /** Reads up to `buffer.length` bytes; returns how many there were. */
  read(buffer: Buffer, position: number): Promise<number>
  write(buffer: Buffer, position: number): Promise<number>
  /** The same on the calling thread, without the hop through the thread pool. */
  writeNow(buffer: Buffer, position: number): number
  /** Forces data to the disk (`fdatasync`). */
  dataSync(): Promise<void>
  dataSyncNow(): void
  /** Forces data and all metadata to the disk (`fsync`). */
  sync(): Promise<void>
  truncate(size: number): Promise<void>
  close(): Promise<void>
}

export interface FileLock {
  /** Replaces what the locked file says. */
  write(text: string): Promise<void>
  release(): Promise<void>
}

/** Writes all of a buffer, going on after short writes. */
export async function writeFully(file: File, buffer: Buffer, position: number): Promise<void> {
  for (let done = 0; done < buffer.length; ) {
    const written = await file.write(done === 0 ? buffer : buffer.subarray(done), position + done)
    done += checkedCount(written)
  }
}

/** Writes all of a buffer on the calling thread, going on after short writes. */
export function writeFullyNow(file: File, buffer: Buffer, position: number): void {
  for (let done = 0; done < buffer.length; ) {
    const written = file.writeNow(done === 0 ? buffer : buffer.subarray(done), position + done)
    done += checkedCount(written)
  }
}

/** Reads until the buffer is full or the file ends; returns how many bytes there were. */
export async function readFully(file: File, buffer: Buffer, position: number): Promise<number> {
  let done = 0
  while (done < buffer.length) {
    const count = await file.read(done === 0 ? buffer : buffer.subarray(done), position + done)
    if (count === 0) break
    done += count
  }
  return done
}

/** A whole file as text; `undefined` if there is none. */
export async function readText(fs: FileSystem, path: string): Promise<string | undefined> {
  let file: File
  try {
    file = await fs.open(path, 'read')
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return undefined
    throw error
  }
  try {
    const buffer = Buffer.alloc(await file.size())
    const count = await readFully(file, buffer, 0)
    return buffer.subarray(0, count).toString('utf8')
  } finally {
    await file.close()
  }
}

function checkedCount(count: number): number {
  // A write that takes nothing and reports no error would make the loop endless.
  if (count > 0) return count
  throw Object.assign(new Error('EIO: a write took no bytes'), { code: 'EIO' })
}
