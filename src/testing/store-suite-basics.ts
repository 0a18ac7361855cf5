/** Cases of the store suite: identity, mark, values, and the store's life from open to close. */
import assert from 'node:assert/strict'
import { bytes, changes, markAt, pageOf, pageTexts, type StoreCase, textOf } from './store-suite-cases.js'

const MIB = 1024 * 1024
const IDENTITY = { storeId: '0123456789abcdef0123456789abcdef', logId: undefined, epoch: 1 }

export const basicCases: StoreCase[] = [
  {
    name: 'a new store has no identity, no entries and a mark of zeros',
    async body({ store }) {
      assert.equal(await store.identity(), undefined)
      assert.deepEqual(await store.mark(), { appliedLsn: 0, appliedPosition: 0 })
      assert.equal(await store.flushedLsn(), 0)
      assert.deepEqual(await store.page(pageOf()), [])
      assert.equal(await store.get('a\0'), undefined)
    },
  },
  {
    name: 'an identity comes back as it was set, each of its forms',
    async body(under) {
      const attached = { ...IDENTITY, logId: 'fedcba9876543210fedcba9876543210', epoch: 2 ** 40 }
      for (const identity of [IDENTITY, attached]) {
        await under.store.setIdentity(identity)
        assert.deepEqual(await under.store.identity(), identity)
        if (await under.reopen()) assert.deepEqual(await under.store.identity(), identity)
      }
    },
  },
  {
    name: 'an identity and changes leave one another alone',
    async body({ store }) {
      await store.apply(changes({ 'a\0': '1' }), markAt(1))
      await store.setIdentity(IDENTITY)
      assert.deepEqual(await store.mark(), markAt(1))

      await store.apply(changes({ 'a\0': undefined }), markAt(2))

      assert.deepEqual(await store.identity(), IDENTITY)
      assert.deepEqual(await store.page(pageOf()), [], 'a scan shows no identity and no mark')
    },
  },
  {
    name: 'what is applied is there for get, getMany and page',
    async body({ store }) {
      await store.apply(changes({ 'a\0': '1', 'b\0': '2' }), markAt(7))

      assert.equal(await textOf(store, 'a\0'), '1')
      assert.equal(await store.get('c\0'), undefined)
      const values = await store.getMany(['b\0', 'c\0', 'a\0', 'b\0'])
      assert.deepEqual(values, [bytes('2'), undefined, bytes('1'), bytes('2')])
      assert.deepEqual(await store.getMany([]), [])
      assert.deepEqual(await pageTexts(store), ['a\0=1', 'b\0=2'])
      assert.deepEqual(await store.mark(), markAt(7))
    },
  },
  {
    name: 'the same changes may come again under the same mark, and others under the mark that is there',
    async body(under) {
      await under.store.apply(changes({ 'a\0': '1', 'b\0': undefined }), markAt(7))
      await under.store.apply(changes({ 'a\0': '1', 'b\0': undefined }), markAt(7))
      await under.store.apply(changes({ 'c\0': '2' }), markAt(7))
      assert.deepEqual(await pageTexts(under.store), ['a\0=1', 'c\0=2'])
      assert.deepEqual(await under.store.mark(), markAt(7))

      if (await under.reopen()) assert.deepEqual(await pageTexts(under.store), ['a\0=1', 'c\0=2'])
    },
  },
  {
    name: 'a later value replaces, a delete removes, and deleting what is not there is no error',
    async body({ store }) {
      await store.apply(changes({ 'a\0': 'old', 'b\0': 'old', 'c\0': 'old' }), markAt(3))
      await store.apply(changes({ 'a\0': 'new', 'b\0': undefined, 'x\0': undefined }), markAt(6))

      assert.deepEqual(await pageTexts(store), ['a\0=new', 'c\0=old'])
      assert.equal(await store.get('b\0'), undefined)

      await store.apply(changes({ 'b\0': 'again' }), markAt(7))

      assert.deepEqual(await pageTexts(store), ['a\0=new', 'b\0=again', 'c\0=old'])
    },
  },
  {
    name: 'an apply without changes moves the mark',
    async body({ store }) {
      await store.apply(changes({ 'a\0': '1' }), markAt(1))
      await store.apply([], markAt(9))

      assert.deepEqual(await store.mark(), markAt(9))
      assert.deepEqual(await pageTexts(store), ['a\0=1'])
    },
  },
  {
    name: 'a mark may be as large as an LSN can be',
    async body(under) {
      const mark = { appliedLsn: Number.MAX_SAFE_INTEGER, appliedPosition: Number.MAX_SAFE_INTEGER - 1 }
      await under.store.apply([], mark)

      assert.deepEqual(await under.store.mark(), mark)
      if (await under.reopen()) assert.deepEqual(await under.store.mark(), mark)
    },
  },
  {
    name: 'a value may be empty, and may be 16 MiB',
    async body({ store }) {
      const large = Buffer.alloc(16 * MIB, 'x')
      large[16 * MIB - 1] = 0
      const applied = [
        { key: 'empty\0', value: Buffer.alloc(0) },
        { key: 'large\0', value: large },
      ]
      await store.apply(applied, markAt(2))

      assert.deepEqual(await store.get('empty\0'), Buffer.alloc(0))
      assert.ok((await store.get('large\0'))?.equals(large))
      const page = await store.page(pageOf())
      assert.deepEqual([page[0]?.value.length, page[1]?.value.length], [0, 16 * MIB])
    },
  },
  {
    name: 'a value is any bytes',
    async body({ store }) {
      const value = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
      await store.apply([{ key: 'a\0', value }], markAt(1))

      assert.deepEqual(await store.get('a\0'), value)
    },
  },
  {
    name: 'one apply may hold 65,536 changes',
    async body({ store }) {
      const keyOf = (index: number) => `k${String(index).padStart(6, '0')}\0`
      const many = Array.from({ length: 65_536 }, (_, index) => ({ key: keyOf(index), value: bytes(`${index}`) }))
      await store.apply(many, markAt(65_536))

      assert.equal((await store.page(pageOf())).length, 65_536)
      assert.equal(await textOf(store, keyOf(65_535)), '65535')

      await store.apply(
        many.map(({ key }) => ({ key, value: undefined })),
        markAt(131_072),
      )

      assert.deepEqual(await store.page(pageOf()), [])
    },
  },
  {
    name: 'a buffer that is returned belongs to the caller, and so does one that was given once apply is done',
    async body({ store }) {
      const given = bytes('mine')
      await store.apply([{ key: 'a\0', value: given }], markAt(1))
      given.fill('!')
      assert.equal(await textOf(store, 'a\0'), 'mine')

      for (const value of [
        await store.get('a\0'),
        (await store.getMany(['a\0']))[0],
        (await store.page(pageOf()))[0]?.value,
      ]) {
        value?.fill('!')
        assert.equal(await textOf(store, 'a\0'), 'mine')
      }
    },
  },
  {
    name: 'what was flushed is never above the mark, and reaches it with a flush',
    async body(under) {
      for (let lsn = 1; lsn <= 3; lsn++) {
        const { store } = under
        await store.apply(changes({ 'a\0': `${lsn}` }), markAt(lsn))
        const flushedLsn = await store.flushedLsn()
        if (store.capabilities.durableCommit) assert.equal(flushedLsn, lsn, 'a durable commit needs no flush')
        assert.ok(flushedLsn <= lsn)

        await store.flush()

        assert.equal(await store.flushedLsn(), lsn)
        if (await under.reopen()) assert.ok((await under.store.flushedLsn()) <= lsn)
      }
    },
  },
  {
    name: 'a persistent store that is opened again has kept everything',
    async body(under) {
      await under.store.setIdentity(IDENTITY)
      await under.store.apply(changes({ 'a\0': '1', 'b\0': '2', 'c\0': '3' }), markAt(3))
      await under.store.apply(changes({ 'a\0': undefined, 'b\0': '20' }), markAt(5))
      if (!(await under.reopen())) return

      assert.deepEqual(await under.store.identity(), IDENTITY)
      assert.deepEqual(await under.store.mark(), markAt(5))
      assert.deepEqual(await pageTexts(under.store), ['b\0=20', 'c\0=3'])
    },
  },
  {
    name: 'a closed store rejects every call but close',
    async body({ store }) {
      await store.apply(changes({ 'a\0': '1' }), markAt(1))
      await store.close()
      await store.close()

      await assert.rejects(() => store.identity())
      await assert.rejects(() => store.setIdentity(IDENTITY))
      await assert.rejects(() => store.mark())
      await assert.rejects(() => store.get('a\0'))
      await assert.rejects(() => store.getMany(['a\0']))
      await assert.rejects(() => store.page(pageOf()))
      await assert.rejects(() => store.apply([], markAt(2)))
      await assert.rejects(() => store.flushedLsn())
      await assert.rejects(() => store.flush())
    },
  },
]
