import { openJournalStore } from '../../src/testing/journal-store.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { storeSuite } from '../../src/testing/store-suite.js'

for (const durableCommit of [true, false]) {
  const disks = new WeakMap<object, SimulatedDisk>()
  const openOn = async (disk: SimulatedDisk) => {
    const store = await openJournalStore(disk, '/store', { durableCommit })
    disks.set(store, disk)
    return store
  }
  storeSuite({
    name: `journal, ${durableCommit ? 'durable' : 'lazy'} commits`,
    open: () => openOn(new SimulatedDisk()),
    reopen: closed => openOn(disks.get(closed) ?? new SimulatedDisk()),
  })
}
