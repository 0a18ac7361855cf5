/** lmdb used directly, with its default options: an awaited put resolves once its transaction has been flushed. */
import { join } from 'node:path'
import { type LmdbDatabase, openLmdb, versionOf } from './peers.js'
import { NotPut, type OpenSubject, type Subject } from './subject.js'

export const lmdb: Subject = {
  configuration: () => `lmdb ${versionOf('lmdb')}, default options; awaited put`,

  async open(folder): Promise<OpenSubject> {
    const database: LmdbDatabase = openLmdb(join(folder, 'data'))
    return {
      async put(key, value) {
        if (!(await database.put(key, value))) throw new NotPut('put has answered false')
      },
      entries: async () => [...database.getRange()].map(({ key, value }) => [key, value]),
      close: () => database.close(),
    }
  },
}
