/** The sabotage: a file system that says "synced" and has not. Everything is acknowledged too early on it. */
import type { File, FileSystem } from '../src/io/file-system.js'

export function withoutSync(fs: FileSystem): FileSystem {
  return {
    makeFolder: path => fs.makeFolder(path),
    list: path => fs.list(path),
    open: async (path, how) => withoutDataSync(await fs.open(path, how)),
    rename: (from, to) => fs.rename(from, to),
    unlink: path => fs.unlink(path),
    syncFolder: path => fs.syncFolder(path),
    lock: path => fs.lock(path),
    kindOf: path => fs.kindOf(path),
  }
}

function withoutDataSync(file: File): File {
  return {
    size: () => file.size(),
    read: (buffer, position) => file.read(buffer, position),
    write: (buffer, position) => file.write(buffer, position),
    writeNow: (buffer, position) => file.writeNow(buffer, position),
    dataSync: async () => {},
    dataSyncNow: () => {},
    sync: () => file.sync(),
    truncate: size => file.truncate(size),
    close: () => file.close(),
  }
}
