/** Cases of the store suite: data and mark change together, at one moment, in the order of the calls. */
import assert from 'node:assert/strict'
import type { Change, DataStore } from '../stores/data-store.js'
import { bytes, changes, markAt, pageOf, type StoreCase, textOf } from './store-suite-cases.js'

const KEYS = Array.from({ length: 1500 }, (_, index) => `key-${String(index).padStart(5, '0')}\0`)

/** A generation of changes: every key says the LSN at which all of them were applied. */
function generation(lsn: number): Change[] {
  return KEYS.map(key => ({ key, value: bytes(String(lsn)) }))
}

export const momentCases: StoreCase[] = [
  {
    name: 'a page shows one moment while changes are being applied',
    async body({ store }) {
      await store.apply(generation(1), markAt(1))

      for (let lsn = 2; lsn <= 16; lsn++) {
        const before = store.page(pageOf())
        const applied = store.apply(generation(lsn), markAt(lsn))
        const during = store.page(pageOf({ reverse: lsn % 2 === 0 }))
        await applied
        for (const page of [await before, await during]) {
          assert.equal(page.length, KEYS.length)
          const seen = [...new Set(page.map(({ value }) => Number(value.toString())))]
          assert.ok(seen.length === 1 && (seen[0] === lsn - 1 || seen[0] === lsn), `a page of LSNs ${seen}`)
        }
        assert.equal(await textOf(store, KEYS[0]!), `${lsn}`, 'once it is applied, everybody sees it')
      }
    },
  },
  {
    name: 'data is never seen ahead of the mark, nor behind it',
    async body(under) {
      await under.store.apply(generation(1), markAt(1))
      let applying = true
      const applies = applyUpTo(under.store, 16).finally(() => {
        applying = false
      })

      while (applying) {
        const before = await under.store.mark()
        const [first, last] = await under.store.getMany([KEYS[0]!, KEYS.at(-1)!])
        const after = await under.store.mark()
        assert.deepEqual(after, markAt(after.appliedLsn), 'both halves of a mark are of one apply')
        for (const value of [first, last]) {
          const lsn = Number(value?.toString())
          assert.ok(before.appliedLsn <= lsn && lsn <= after.appliedLsn, `LSN ${lsn} is not of its mark`)
        }
        // A store that answers at once would otherwise never let the applies go on.
        await new Promise(resolve => setImmediate(resolve))
      }

      await applies
      if (!(await under.reopen())) return
      assert.deepEqual(await under.store.mark(), markAt(16))
      assert.equal(await textOf(under.store, KEYS[700]!), '16')
    },
  },
  {
    name: 'applies that nobody waited for take effect in the order of the calls',
    async body({ store }) {
      const applies: Promise<void>[] = []
      for (let lsn = 1; lsn <= 50; lsn++) {
        // Large and small in turn, so that a store that runs them side by side is caught.
        const others = lsn % 2 === 1 ? generation(lsn) : []
        applies.push(store.apply([{ key: 'a\0', value: bytes(`${lsn}`) }, ...others], markAt(lsn)))
      }
      await Promise.all(applies)

      assert.deepEqual(await store.mark(), markAt(50))
      assert.equal(await textOf(store, 'a\0'), '50')
      assert.equal(await textOf(store, KEYS[0]!), '49')
    },
  },
  {
    name: 'reads of every kind may run at once with an apply',
    async body({ store }) {
      await store.apply(generation(1), markAt(1))
      const reads: Promise<unknown>[] = []
      const applies = applyUpTo(store, 6)
      for (let round = 0; round < 50; round++) {
        const key = KEYS[(round * 37) % KEYS.length]!
        reads.push(store.get(key), store.getMany([key, 'none\0']), store.page(pageOf({ from: key, limit: 10 })))
        reads.push(store.mark(), store.flushedLsn())
      }

      const answers = await Promise.all(reads)
      await applies

      assert.ok(answers.every(answer => answer !== undefined))
      assert.deepEqual(await store.mark(), markAt(6))
    },
  },
  {
    name: 'a flush beside an apply leaves the flushed LSN at or below the mark',
    async body({ store }) {
      for (let lsn = 1; lsn <= 20; lsn++) {
        const applied = store.apply(changes({ 'a\0': `${lsn}` }), markAt(lsn))
        await store.flush()
        const flushedLsn = await store.flushedLsn()
        await applied
        assert.ok(flushedLsn === lsn - 1 || flushedLsn === lsn, `flushed ${flushedLsn} beside the apply of ${lsn}`)
      }
      await store.flush()
      assert.equal(await store.flushedLsn(), 20)
    },
  },
]

async function applyUpTo(store: DataStore, lastLsn: number): Promise<void> {
  for (let lsn = 2; lsn <= lastLsn; lsn++) await store.apply(generation(lsn), markAt(lsn))
}
