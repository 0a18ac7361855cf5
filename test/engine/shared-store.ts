/** A store beside the folders of the memories that use it, as a server is, on a simulated disk. */
import type { StoreOpener } from '../../src/index.js'
import { openJournalStore } from '../../src/testing/journal-store.js'
import type { SimulatedDisk } from '../../src/testing/simulated-disk.js'

const refused = () => Promise.reject(new Error('connection refused'))

/** While `isGone` it cannot be opened, and takes and gives nothing. */
export function sharedStore(disk: SimulatedDisk, state: { isGone: boolean } = { isGone: false }): StoreOpener {
  return {
    kind: 'shared',
    isAway: error => String(error).includes('connection refused'),
    open: async () => {
      if (state.isGone) return refused()
      const store = await openJournalStore(disk, '/store')
      return {
        capabilities: { ...store.capabilities, isShared: true },
        identity: () => store.identity(),
        setIdentity: identity => store.setIdentity(identity),
        mark: () => store.mark(),
        get: key => (state.isGone ? refused() : store.get(key)),
        getMany: keys => (state.isGone ? refused() : store.getMany(keys)),
        page: page => (state.isGone ? refused() : store.page(page)),
        apply: (changes, mark) => (state.isGone ? refused() : store.apply(changes, mark)),
        flushedLsn: () => store.flushedLsn(),
        flush: () => store.flush(),
        close: () => store.close(),
      }
    },
  }
}
