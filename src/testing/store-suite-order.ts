/** Cases of the store suite: the order of keys, pages of a range, and keys that a careless store would trip over. */
import assert from 'node:assert/strict'
import { encodeKey, KEY_BYTES_MAX } from '../core/key.js'
import {
  bytes,
  chainedPages,
  changes,
  markAt,
  pageOf,
  pageTexts,
  prefixRange,
  type StoreCase,
  sorted,
} from './store-suite-cases.js'

/** In the order of their bytes, which is not that of a locale, of UTF-16 or of signed bytes. */
const KEYS_IN_ORDER = [
  '\0',
  '\0\0',
  '\0\xff\0',
  '\0\xff\0a\0',
  '\x01\0',
  '\n\0',
  ' \0',
  'A\0',
  'Z\0',
  'a\0',
  'a\0\0',
  'a\0b\0',
  'a\0\xff\0',
  'a \0',
  'a-b\0',
  'aa\0',
  'b\0',
  '\x7f\0',
  '\x80\0',
  '\xc3\xa4\0',
  '\xf0\x9f\x98\x80\0',
  '\xfe\0',
  '\xff\0',
  '\xff\x01\0',
]

const HOSTILE_SEGMENTS = [
  '',
  '.',
  '..',
  '/',
  '../../etc/passwd',
  'C:\\con',
  '%00%2f',
  "'; DROP TABLE entries; --",
  '"quoted"',
  '*',
  'a*b?[c]{d}',
  '$1',
  '{tag}',
  'line\nbreak\r\n',
  '\t',
  '__proto__',
  'constructor',
  'mark',
  'identity',
  'd',
  'm',
  'null',
  'undefined',
  '0',
  '-1',
  'nul\0inside',
  'ä', // one code point …
  'a\u0308', // … and the same letter as two
  'İstanbul',
  'ß',
  '日本語',
  '😀',
  '\u202egnirts',
  '\uffff',
  'Key',
  'key',
  'key ',
]

export const orderCases: StoreCase[] = [
  {
    name: 'keys come in the order of their bytes, and in reverse',
    async body(under) {
      const entries = KEYS_IN_ORDER.map((key, index) => ({ key, value: bytes(`${index}`) }))
      await under.store.apply(entries, markAt(1))
      await under.reopen()

      assert.deepEqual(await under.store.page(pageOf()), entries)
      assert.deepEqual(await under.store.page(pageOf({ reverse: true })), entries.toReversed())
    },
  },
  {
    name: 'a page includes its lower end and excludes its upper end, both ways',
    async body({ store }) {
      await store.apply(changes({ 'a\0': '1', 'b\0': '2', 'c\0': '3', 'd\0': '4' }), markAt(1))

      assert.deepEqual(await pageTexts(store, { from: 'b\0', to: 'd\0' }), ['b\0=2', 'c\0=3'])
      assert.deepEqual(await pageTexts(store, { from: 'b\0', to: 'd\0', reverse: true }), ['c\0=3', 'b\0=2'])
      assert.deepEqual(await pageTexts(store, { from: 'aa\0', to: 'c' }), ['b\0=2'], 'ends need not be keys')
      assert.deepEqual(await pageTexts(store, { from: 'c' }), ['c\0=3', 'd\0=4'])
      assert.deepEqual(await pageTexts(store, { to: 'b\0', reverse: true }), ['a\0=1'])
    },
  },
  {
    name: 'a limited page holds the first entries of its direction',
    async body({ store }) {
      await store.apply(changes({ 'a\0': '1', 'b\0': '2', 'c\0': '3' }), markAt(1))

      assert.deepEqual(await pageTexts(store, { limit: 2 }), ['a\0=1', 'b\0=2'])
      assert.deepEqual(await pageTexts(store, { limit: 2, reverse: true }), ['c\0=3', 'b\0=2'])
      assert.deepEqual(await pageTexts(store, { limit: 1, from: 'b\0' }), ['b\0=2'])
      assert.deepEqual(await pageTexts(store, { limit: 0 }), [])
    },
  },
  {
    name: 'a range without keys is an empty page',
    async body({ store }) {
      await store.apply(changes({ 'b\0': '1', 'd\0': '2' }), markAt(1))

      for (const reverse of [false, true]) {
        assert.deepEqual(await pageTexts(store, { from: 'b\0', to: 'b\0', reverse }), [])
        assert.deepEqual(await pageTexts(store, { from: 'd\0', to: 'b\0', reverse }), [], 'ends the wrong way round')
        assert.deepEqual(await pageTexts(store, { from: 'b\0\0', to: 'd\0', reverse }), [])
        assert.deepEqual(await pageTexts(store, { to: 'b\0', reverse }), [])
        assert.deepEqual(await pageTexts(store, { from: 'e\0', reverse }), [])
      }
    },
  },
  {
    name: 'a range of whole segments leaves its neighbours out',
    async body({ store }) {
      const keys = [['acme'], ['acme', ''], ['acme', 'x', 'y'], ['acme', '\0'], ['acme-corp'], ['acm'], ['acme\0']]
      const all = keys.map(key => ({ key: encodeKey(key), value: bytes(key.join('/')) }))
      await store.apply(sorted(all), markAt(1))

      const page = await store.page(pageOf(prefixRange(encodeKey('acme'))))

      assert.deepEqual(
        page.map(({ value }) => value.toString()),
        ['acme', 'acme/', 'acme/\0', 'acme/x/y'],
      )
    },
  },
  {
    name: 'pages that follow one another make the whole range',
    async body({ store }) {
      const all = Array.from({ length: 1000 }, (_, index) => ({
        key: encodeKey([`user-${index % 7}`, `${index}`]),
        value: Buffer.alloc(index, `${index}`),
      }))
      await store.apply(sorted(all), markAt(1))

      for (const limit of [1, 7, 333, 1000]) {
        assert.deepEqual(await chainedPages(store, pageOf({ limit })), all)
        assert.deepEqual(await chainedPages(store, pageOf({ limit, reverse: true })), all.toReversed())
      }
    },
  },
  {
    name: `keys of ${KEY_BYTES_MAX} bytes are told apart by their last byte`,
    async body({ store }) {
      const long = ['\0', 'a', 'b', '\x80', '\xff'].map(last => 'k'.repeat(KEY_BYTES_MAX - 1) + last)
      const entries = long.map((key, index) => ({ key, value: bytes(`${index}`) }))
      await store.apply(entries, markAt(1))

      assert.deepEqual(await store.page(pageOf()), entries)
      assert.deepEqual(
        await store.getMany(long),
        entries.map(({ value }) => value),
      )
    },
  },
  {
    name: 'hostile keys are bytes like any others',
    async body(under) {
      const keys = HOSTILE_SEGMENTS.flatMap(segment => [[segment], ['scope', segment], [segment, segment]])
      const entries = sorted(keys.map(key => ({ key: encodeKey(key), value: bytes(JSON.stringify(key)) })))
      await under.store.setIdentity({ storeId: '0'.repeat(32), logId: undefined, epoch: 3 })
      await under.store.apply(entries, markAt(4))
      await under.reopen()

      const { store } = under
      assert.deepEqual(await store.page(pageOf()), entries)
      for (const { key, value } of entries) assert.deepEqual(await store.get(key), value)
      assert.deepEqual(await store.mark(), markAt(4))
      assert.equal((await store.identity())?.epoch, 3)
    },
  },
]
