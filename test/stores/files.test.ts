// What people find in the folder of a files store, and what the store makes of what they do there.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { encodeValue } from '../../src/codec/codec.js'
import { compress } from '../../src/codec/compression.js'
import { CODEC, COMPRESSION, formOf, PLAIN_FORM } from '../../src/codec/form.js'
import { decodeStoredValue, encodeStoredValue } from '../../src/codec/stored-value.js'
import { type EncodedKey, encodeKey } from '../../src/core/key.js'
import { type FileSystem, writeFully } from '../../src/io/file-system.js'
import type { DataStore } from '../../src/stores/data-store.js'
import { readFile } from '../../src/stores/files/durable-file.js'
import { folderOf, keyOfName, nameOf } from '../../src/stores/files/file-name.js'
import { openFilesStore } from '../../src/stores/files/open.js'
import { decodeValueFile, encodeValueFile } from '../../src/stores/files/value-file.js'
import { SimulatedDisk } from '../../src/testing/index.js'
import { ALL, markAt } from './files-helpers.js'

const LANGUAGE = encodeKey(['preferences', 'user-1', 'language'])
const DATE = encodeKey(['facts', 'founded'])

const HOSTILE = [
  '../x',
  '..',
  '.',
  '/etc/passwd',
  'C:\\x',
  'a\0b',
  '__proto__',
  'con',
  'NUL',
  'a.json',
  'x.tmp',
  '~',
  '^a',
  '%41',
  'a,b',
  '+',
  '=',
  ' ',
  'ä',
  'a\u0308',
  '日本',
  '😀',
  'Straße',
  'STRASSE',
  'a'.repeat(159),
  'a'.repeat(160),
  'a'.repeat(161),
  'A'.repeat(300),
  '😀'.repeat(60),
]

function stored(key: EncodedKey, value: unknown, lsn = 7, form = PLAIN_FORM, expiresAt = 0): Buffer {
  const isJson = (form & 0xff) === CODEC.json
  const bytes = isJson ? Buffer.from(JSON.stringify(value)) : Buffer.from(encodeValue(value, 1 << 20))
  return encodeStoredValue({ key, lsn, form, expiresAt, value: bytes })
}

async function storeWith(values: Record<EncodedKey, Buffer>): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk()
  const store = await openFilesStore(disk, '/store')
  const changes = Object.entries(values).map(([key, value]) => ({ key, value }))
  await store.apply(
    changes.sort((a, b) => (a.key < b.key ? -1 : 1)),
    markAt(7),
  )
  await store.close()
  return disk
}

const pathOf = (key: EncodedKey, ending: string) => `/store/entries/${folderOf(key)}/${nameOf(key)}.${ending}`

async function textOf(fs: FileSystem, path: string): Promise<string> {
  const bytes = await readFile(fs, path)
  assert.ok(bytes, `${path} is there`)
  return bytes.toString('utf8')
}

async function write(fs: FileSystem, path: string, content: string | Buffer): Promise<void> {
  await fs.unlink(path).catch(() => {})
  const file = await fs.open(path, 'create')
  await writeFully(file, Buffer.from(content), 0)
  await file.close()
}

async function edit(disk: SimulatedDisk, path: string, from: string, to: string): Promise<void> {
  const text = await textOf(disk, path)
  assert.ok(text.includes(from), text)
  await write(disk, path, text.replace(from, to))
}

const adopting = (disk: SimulatedDisk) => openFilesStore(disk, '/store', { adoptEdits: true })

test('files: a value that JSON can say is a JSON file under the name of its key', async () => {
  const disk = await storeWith({ [LANGUAGE]: stored(LANGUAGE, { language: 'zh-CN', since: [2024, null] }) })

  assert.equal(
    await textOf(disk, `/store/entries/${folderOf(LANGUAGE)}/preferences,user-1,language.json`),
    `{
  "key": ["preferences","user-1","language"],
  "value": {
    "language": "zh-CN",
    "since": [
      2024,
      null
    ]
  },
  "holdfast": {"format":1,"codec":"messagepack","lsn":7,"crc":"f610272f"}
}
`,
  )
})

test('files: the file that the documentation shows is the one that is written', () => {
  const document = readFileSync(new URL('../../../docs/formats/files-store.md', import.meta.url), 'utf8')
  const [, shown] = /```json\n([^`]*"value"[^`]*)```/.exec(document) ?? []
  assert.equal(encodeValueFile(LANGUAGE, stored(LANGUAGE, 'zh-CN', 17)).content.toString(), shown)
  for (const key of [
    ['preferences', 'user-1', 'language'],
    ['conversations', 'chat-1', 'Hello World'],
  ].map(encodeKey)) {
    assert.ok(document.includes(`${folderOf(key)}/${nameOf(key)}.json`), nameOf(key))
  }
})

test('files: every value comes back byte for byte, in a form that says as much as it can', () => {
  const values: [ending: string, value: unknown, form?: number, expiresAt?: number][] = [
    ['json', 'text'],
    ['json', null],
    ['json', { nested: [1, -2.5, true, 'ä\n😀'] }],
    ['json', { a: 1 }, formOf(CODEC.json, COMPRESSION.none, 3), 1_900_000_000_000],
    ['bin', new Date(0)],
    ['bin', Number.NaN],
    ['bin', -0],
    ['bin', 10n],
    ['bin', Buffer.from('bytes')],
    ['bin', { at: new Date(5) }],
    ['bin', { undef: undefined }],
    ['bin', new Map([['a', 1]])],
    ['bin', { 2: 'two', 1: 'one' }, formOf(200, COMPRESSION.none, 0)],
  ]
  for (const [ending, value, form, expiresAt] of values) {
    const bytes = stored(LANGUAGE, value, 9, form, expiresAt)
    const file = encodeValueFile(LANGUAGE, bytes)
    const what = `${String(value)} in a .${file.ending}`
    assert.equal(file.ending, ending, what)
    const read = decodeValueFile(file.ending, file.content, LANGUAGE)
    assert.deepEqual(read, { key: LANGUAGE, value: bytes, isWhole: true }, what)
  }
})

const REPEATED = JSON.stringify({ text: 'hold fast '.repeat(100) })

/** A stream of gzip, under the id of a compression: zstd is not in every runtime, and its stream is not looked into. */
function gzipped(key: EncodedKey, codec: number, compression: number): Buffer {
  const config = { algorithm: 'gzip', thresholdBytes: 0, level: 6 } as const
  const value = compress(Buffer.from(REPEATED), config, { bytesBefore: 0, bytesAfter: 0 })!
  return encodeStoredValue({ key, lsn: 1, form: formOf(codec, compression, 0), value })
}

test('files: a value of gzip is what zcat shows, one of zstd what zstdcat shows', () => {
  const key = encodeKey(['notes', '日本'])
  const value = gzipped(key, CODEC.json, COMPRESSION.gzip)
  const { ending, content } = encodeValueFile(key, value)
  assert.equal(ending, 'gz')
  assert.equal(gunzipSync(content).toString(), REPEATED)
  assert.deepEqual(decodeValueFile('gz', content, key), { key, value, isWhole: true })

  const zstd = gzipped(key, CODEC.json, COMPRESSION.zstd)
  const file = encodeValueFile(key, zstd)
  assert.equal(file.ending, 'zst')
  assert.equal(file.content.readUInt32LE(0), 0x184d2a50, 'a skippable frame')
  assert.equal(file.content.readUInt16LE(8 + file.content.readUInt32LE(4)), 0x8b1f, 'and then the stream')
  assert.deepEqual(decodeValueFile('zst', file.content, key), { key, value: zstd, isWhole: true })
})

test('files: a name is a key and back; none leaves its folder, meets another, or is longer than a name may be', () => {
  const keys = HOSTILE.flatMap(segment => [[segment], ['map', segment], [segment, ''], ['', segment]]).map(encodeKey)
  const all = [...keys, ...keys.map(key => key.slice(0, -1)).filter(key => key !== ''), 'k'.repeat(1024), '\xff', '\0']
  const names = new Map<string, EncodedKey>()
  for (const key of new Set(all)) {
    const name = nameOf(key)
    assert.match(name, /^[a-z0-9_^%~,+=-]+$/, JSON.stringify(key))
    assert.ok(`${name}.json.tmp`.length <= 255)
    assert.doesNotMatch(name, /^(con|nul)$/)
    const folded = name.toLowerCase().normalize('NFC')
    assert.equal(names.get(folded), undefined, `${JSON.stringify(key)} shares ${name}`)
    names.set(folded, key)
    assert.ok([key, 'hashed'].includes(String(keyOfName(name))), name)
    if (key.length < 50) assert.equal(keyOfName(name), key)
  }
})

test('files: names that are none of ours, or not the one of their key, are no entries', () => {
  for (const name of ['A', 'a.b', '%41', '%', '^', '', ',', '=', '=4', '=4g', 'a%2', '..', 'con', '=6100']) {
    assert.equal(keyOfName(name), undefined, name)
  }
})

test('files: hostile and long keys come back at the next open', async () => {
  const values: Record<string, Buffer> = {}
  for (const segment of HOSTILE) {
    const key = encodeKey(['map', segment])
    values[key] = stored(key, segment)
  }
  const disk = await storeWith(values)

  const store = await openFilesStore(disk, '/store')

  const page = await store.page(ALL)
  assert.deepEqual(Object.fromEntries(page.map(({ key, value }) => [key, value])), values)
})

test('files: files that are none of ours are left alone', async () => {
  const disk = await storeWith({ [LANGUAGE]: stored(LANGUAGE, 'zh-CN') })
  const others = [`/store/entries/${folderOf(LANGUAGE)}/.DS_Store`, '/store/entries/README.md', '/store/notes.txt']
  for (const path of others) await write(disk, path, 'mine')

  const store = await openFilesStore(disk, '/store')
  await store.apply([{ key: LANGUAGE, value: undefined }], markAt(8))

  for (const path of others) assert.equal(await textOf(disk, path), 'mine')
})

test('files: a folder that holds something else is NOT_A_MEMORY and stays as it is', async () => {
  const disk = new SimulatedDisk()
  await disk.makeFolder('/store')
  await write(disk, '/store/package.json', '{}')

  await assert.rejects(openFilesStore(disk, '/store'), { code: 'NOT_A_MEMORY' })

  assert.deepEqual(await disk.list('/store'), ['package.json'])
})

test('files: a second open is OWNED_ELSEWHERE; no store is STORE_LOST, and its entries without store.json STORE_CORRUPT', async () => {
  const disk = await storeWith({ [LANGUAGE]: stored(LANGUAGE, 'zh-CN') })
  const store = await openFilesStore(disk, '/store')
  await assert.rejects(openFilesStore(disk, '/store'), { code: 'OWNED_ELSEWHERE' })
  await store.close()

  await assert.rejects(openFilesStore(disk, '/other', { createIfMissing: false }), { code: 'STORE_LOST' })
  await disk.unlink('/store/store.json')
  await assert.rejects(openFilesStore(disk, '/store', { createIfMissing: false }), { code: 'STORE_LOST' })
  await assert.rejects(openFilesStore(disk, '/store'), { code: 'STORE_CORRUPT', message: /store\.json/ })
})

test('files: no flipped bit of a file serves another value', () => {
  const form = formOf(CODEC.json, COMPRESSION.none, 2)
  const values: [EncodedKey, Buffer][] = [
    [LANGUAGE, stored(LANGUAGE, { language: 'zh-CN' }, 7, form, 1_900_000_000_000)],
    [DATE, stored(DATE, new Date(5))],
    [DATE, Buffer.from('no stored value')],
    [DATE, gzipped(DATE, CODEC.json, COMPRESSION.gzip)],
    [DATE, gzipped(DATE, CODEC.json, COMPRESSION.zstd)],
  ]
  for (const [key, value] of values) {
    const { ending, content } = encodeValueFile(key, value)
    let found = 0
    for (let bit = 0; bit < content.length * 8; bit++) {
      const flipped = Buffer.from(content)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      try {
        const read = decodeValueFile(ending, flipped, key)
        if (read.isWhole) assert.deepEqual(read.value, value, `.${ending}, bit ${bit}`)
        else found += 1
      } catch (error) {
        assert.ok(error instanceof Error && !(error instanceof assert.AssertionError), String(error))
        found += 1
      }
    }
    // What is left are spaces, and bits of names without which the file says the same.
    assert.ok(found > content.length * 4, `${found} flips of a .${ending} found`)
  }
})

test('files: no flipped bit of store.json serves another mark', async () => {
  const disk = await storeWith({ [LANGUAGE]: stored(LANGUAGE, 'zh-CN') })
  const whole = (await readFile(disk, '/store/store.json'))!
  let found = 0
  for (let bit = 0; bit < whole.length * 8; bit += 3) {
    const flipped = Buffer.from(whole)
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    const copy = disk.clone()
    await write(copy, '/store/store.json', flipped)
    try {
      assert.deepEqual(await (await openFilesStore(copy, '/store')).mark(), markAt(7))
    } catch (error) {
      assert.match((error as { code: string }).code, /^(STORE_CORRUPT|FORMAT_TOO_NEW)$/)
      found += 1
    }
  }
  assert.ok(found > whole.length, `${found} flips found`)
})

test('files: a changed file is STORE_CORRUPT, and says what to do', async () => {
  const disk = await storeWith({ [LANGUAGE]: stored(LANGUAGE, 'zh-CN') })
  await edit(disk, pathOf(LANGUAGE, 'json'), 'zh-CN', 'de')

  const store = await openFilesStore(disk, '/store')

  await assert.rejects(store.get(LANGUAGE), {
    code: 'STORE_CORRUPT',
    message: /language\.json fails/,
    next: /adoptEdits/,
  })
})

test('files: a file that is gone or has come is STORE_CORRUPT at the next open, and at a read', async () => {
  const disk = await storeWith({ [LANGUAGE]: stored(LANGUAGE, 'zh-CN') })
  const store = await openFilesStore(disk, '/store')
  const text = await textOf(disk, pathOf(LANGUAGE, 'json'))
  await disk.unlink(pathOf(LANGUAGE, 'json'))

  await assert.rejects(store.get(LANGUAGE), { code: 'STORE_CORRUPT', message: /is gone/ })
  await store.close()
  await assert.rejects(openFilesStore(disk, '/store'), { code: 'STORE_CORRUPT', next: /adoptEdits/ })

  await write(disk, pathOf(LANGUAGE, 'json'), text)
  await write(disk, pathOf(LANGUAGE, 'bin'), text)
  await assert.rejects(openFilesStore(disk, '/store'), { code: 'STORE_CORRUPT', message: /of one key/ })
})

test('files: with adoptEdits a changed file is a new value, a new one a new entry, a missing one a delete', async () => {
  const other = encodeKey(['preferences', 'user-2', 'language'])
  const gone = encodeKey(['preferences', 'user-3', 'language'])
  const form = formOf(CODEC.messagePack, COMPRESSION.none, 4)
  const disk = await storeWith({
    [LANGUAGE]: stored(LANGUAGE, 'zh-CN', 3, form, 1_900_000_000_000),
    [gone]: stored(gone, 'fr'),
    [DATE]: stored(DATE, new Date(5)),
  })
  await edit(disk, pathOf(LANGUAGE, 'json'), '"zh-CN"', '{"main": "de", "others": []}')
  await disk.unlink(pathOf(gone, 'json'))
  await disk.makeFolder(`/store/entries/${folderOf(other)}`).catch(() => {})
  await write(disk, pathOf(other, 'json'), '{ "value": "it" }')

  await (await adopting(disk)).close()

  const store = await openFilesStore(disk, '/store')
  assert.deepEqual(await decodedAll(store), {
    [DATE]: { lsn: 7, expiresAt: 0, form: PLAIN_FORM, value: Buffer.from(encodeValue(new Date(5), 100)) },
    [LANGUAGE]: {
      lsn: 7,
      expiresAt: 1_900_000_000_000,
      form,
      value: Buffer.from(encodeValue({ main: 'de', others: [] }, 100)),
    },
    [other]: { lsn: 7, expiresAt: 0, form: PLAIN_FORM, value: Buffer.from(encodeValue('it', 100)) },
  })
  assert.deepEqual(await store.mark(), markAt(7))
})

async function decodedAll(store: DataStore): Promise<Record<string, object>> {
  const page = await store.page(ALL)
  return Object.fromEntries(page.map(({ key, value }) => [key, { ...decodeStoredValue(key, value) }]))
}

test('files: adoptEdits takes nothing that it cannot read', async () => {
  const wrong: [what: RegExp, from: string, to: string][] = [
    [/is no JSON/, '"zh-CN"', 'zh-CN'],
    [/another key/, 'user-1', 'user-9'],
    [/has no "value"/, '"value"', '"valeu"'],
    [/says "codec"/, 'messagepack', 'xml'],
    [/says a codec/, '"messagepack"', '200'],
    [/"expiresAtMs"/, '"lsn"', '"expiresAtMs":-1,"lsn"'],
    [/a "key" that/, '["preferences"', '[1,"preferences"'],
  ]
  for (const [message, from, to] of wrong) {
    const disk = await storeWith({ [LANGUAGE]: stored(LANGUAGE, 'zh-CN') })
    await edit(disk, pathOf(LANGUAGE, 'json'), from, to)
    await assert.rejects(adopting(disk), { code: 'STORE_CORRUPT', message })
  }
  const disk = await storeWith({ [DATE]: stored(DATE, new Date(5)) })
  const bytes = (await readFile(disk, pathOf(DATE, 'bin')))!
  bytes[bytes.length - 1]! ^= 1
  await write(disk, pathOf(DATE, 'bin'), bytes)
  await assert.rejects(adopting(disk), { code: 'STORE_CORRUPT', message: /holds bytes/ })
})

test('files: a journal that is damaged, or of another copy of the store, is STORE_CORRUPT', async () => {
  const disk = await storeWith({ [LANGUAGE]: stored(LANGUAGE, 'zh-CN') })
  const store = await openFilesStore(disk, '/store')
  disk.faults.add({ at: { kind: 'open', path: /entries/ }, error: 'EIO' })
  await assert.rejects(store.apply([{ key: LANGUAGE, value: stored(LANGUAGE, 'de', 8) }], markAt(8)), {
    code: 'STORE_DOWN',
  })
  await store.close()
  const journal = (await readFile(disk, '/store/journal'))!
  for (let byte = 0; byte < journal.length; byte++) {
    const damaged = Buffer.from(journal)
    damaged[byte]! ^= 4
    const copy = disk.clone()
    await write(copy, '/store/journal', damaged)
    await assert.rejects(openFilesStore(copy, '/store'), { code: 'STORE_CORRUPT', message: /journal/ })
  }
  const again = await openFilesStore(disk, '/store')
  assert.equal((await again.mark()).appliedLsn, 8)
  for (let lsn = 9; lsn < 12; lsn++) {
    await again.apply([{ key: LANGUAGE, value: stored(LANGUAGE, 'de', lsn) }], markAt(lsn))
  }
  await again.close()
  await write(disk, '/store/journal', journal)
  await assert.rejects(openFilesStore(disk, '/store'), { code: 'STORE_CORRUPT', message: /another time/ })
})
