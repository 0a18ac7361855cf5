/** A folder of files that are Buffers, for reading only: quick enough to flip every bit of a log. */
import { basename } from 'node:path/posix'
import type { File, FileSystem } from '../../src/io/file-system.js'
import { readFully } from '../../src/io/file-system.js'

function refuse(): never {
  throw new Error('A log that is read is not written')
}

export class BytesFileSystem implements FileSystem {
  readonly files = new Map<string, Buffer>()

  /** Copies what stands in a folder of another file system. */
  static async of(fs: FileSystem, folder: string): Promise<BytesFileSystem> {
    const copy = new BytesFileSystem()
    for (const name of await fs.list(folder)) {
      const file = await fs.open(`${folder}/${name}`, 'read')
      const bytes = Buffer.alloc(await file.size())
      await readFully(file, bytes, 0)
      await file.close()
      copy.files.set(name, bytes)
    }
    return copy
  }

  async list(): Promise<string[]> {
    return [...this.files.keys()]
  }

  async open(path: string): Promise<File> {
    const bytes = this.files.get(basename(path))!
    return {
      size: async () => bytes.length,
      // Behind its end a file has no bytes.
      read: async (buffer, position) =>
        bytes.copy(buffer, 0, Math.min(position, bytes.length), position + buffer.length),
      close: async () => {},
      write: refuse,
      writeNow: refuse,
      dataSync: refuse,
      dataSyncNow: refuse,
      sync: refuse,
      truncate: refuse,
    }
  }

  makeFolder = refuse
  rename = refuse
  unlink = refuse
  syncFolder = refuse
  lock = refuse
  kindOf = refuse
}
