/**
 * Mistakes that a durable store can make, put between the engine and its disk or its store. The replayer must find each:
 * one that it does not find would say that it looks at the wrong things.
 */
import type { DataStore } from '../src/index.js'
import type { File, FileSystem } from '../src/io/file-system.js'

export interface Mutant {
  what: string
  fileSystem?(fs: FileSystem): FileSystem
  store?(store: DataStore): DataStore
}

export const MUTANTS: Readonly<Record<string, Mutant>> = {
  'ack-before-sync': {
    what: 'a frame is acknowledged although nothing has synced it',
    fileSystem: fs => withFiles(fs, file => over(file, { dataSync: async () => {}, dataSyncNow: () => {} })),
  },
  'no-folder-sync': {
    what: 'names in folders are never synced',
    fileSystem: fs => over(fs, { syncFolder: async () => {} }),
  },
  'no-segment-sync': {
    what: 'a new segment gets its name before its content is synced',
    fileSystem: fs =>
      withFiles(fs, (file, path) => (path.includes('/log/') ? over(file, { sync: async () => {} }) : file)),
  },
  'applied-lsn-apart': {
    what: 'the store commits how far it is before it commits the data',
    store: store =>
      over(store, {
        apply: async (changes, mark) => {
          await store.apply([], mark)
          await store.apply(changes, mark)
        },
      }),
  },
  'store-flush-lies': {
    what: 'the store says that it has flushed, and has not',
    store: store => over(store, { flush: async () => {}, flushedLsn: async () => (await store.mark()).appliedLsn }),
  },
}

/** The object with some of its methods replaced; the others are called on the object itself. */
function over<T extends object>(target: T, replaced: Partial<T>): T {
  return new Proxy(target, {
    get(_, name) {
      const own: unknown = Reflect.get(replaced, name)
      if (own !== undefined) return own
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

function withFiles(fs: FileSystem, wrap: (file: File, path: string) => File): FileSystem {
  return over(fs, { open: async (path, how) => wrap(await fs.open(path, how), path) })
}
