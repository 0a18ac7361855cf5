/** What `DirectStore` promises, for each store that has it: the store suite of direct mode. */
import assert from 'node:assert/strict'
import { PLAIN_FORM } from '../src/codec/form.js'
import { decodeStoredValue, encodeStoredValue } from '../src/codec/stored-value.js'
import type { DirectStore, DirectWrite } from '../src/stores/direct-store.js'

export interface DirectSuiteOptions {
  name: string
  /** A new store; each call of what it returns opens one more handle to it. */
  place(): Promise<() => Promise<DirectStore>>
  /** How a case is run, by a runner of tests for example. */
  test(name: string, body: () => Promise<void>): void
}

export function directSuite({ name, place, test }: DirectSuiteOptions): void {
  const check = (what: string, body: (open: () => Promise<DirectStore>) => Promise<void>) =>
    test(`${name}: ${what}`, async () => {
      const opened: DirectStore[] = []
      const openOne = await place()
      const open = async () => {
        const store = await openOne()
        opened.push(store)
        await store.attach(ID)
        return store
      }
      try {
        await body(open)
      } finally {
        await Promise.all(opened.map(store => store.close()))
      }
    })

  check('the first handle names the store, and all others find it so', async open => {
    const [a, b] = [await open(), await open()]
    const named = await a.attach('f'.repeat(32))
    assert.equal(named.storeId, ID)
    assert.equal(named.logId, undefined)
    assert.deepEqual(await b.attach('0'.repeat(32)), named)
  })

  check('versions of a key rise, also behind a delete, and no two are equal', async open => {
    const store = await open()
    const versions: number[] = []
    for (let sequence = 1; sequence <= 6; sequence++) {
      const write = sequence % 3 === 0 ? gone('k\0') : put('k\0', `${sequence}`)
      const [outcome] = await store.write({ writer: A, sequence, units: [[write], [put('k\0', 'again')]] })
      versions.push(...versionsOf(outcome))
    }
    assert.ok(versions[0]! > 0)
    assert.deepEqual(
      versions,
      [...new Set(versions)].sort((a, b) => a - b),
    )
  })

  check('a value is encoded under its version, and read as it was given', async open => {
    const [a, b] = [await open(), await open()]
    const units = [[put('m\0a\0', 'x'), put('m\0b\xff\0', 'y'), put('n\0c\0', 'z')]]
    const [outcome] = await a.write({ writer: A, sequence: 1, units })
    const [x, y, z] = versionsOf(outcome)
    assert.equal(await textOf(b, 'm\0a\0'), `x ${x}`)
    const keys = ['n\0c\0', 'none\0', 'm\0b\xff\0']
    const found = await b.getMany(keys)
    assert.deepEqual(
      found.map((bytes, index) => shown(keys[index]!, bytes)),
      [`z ${z}`, undefined, `y ${y}`],
    )
    const page = await b.page({ from: 'm\0', to: 'm\0\xff', reverse: true, limit: 10 })
    assert.deepEqual(
      page.map(({ key }) => key),
      ['m\0b\xff\0', 'm\0a\0'],
    )
  })

  check('a unit takes effect whole or not at all, and is seen by those behind it', async open => {
    const store = await open()
    const [first] = await store.write({ writer: A, sequence: 1, units: [[put('a\0', '1')]] })
    const [version] = versionsOf(first)
    const outcomes = await store.write({
      writer: A,
      sequence: 2,
      units: [
        [put('b\0', '1'), put('a\0', '2', version! + 1000)],
        [put('c\0', '1', null), put('a\0', '2', version)],
        [put('a\0', '3', version)],
        [put('c\0', '2', null)],
        [gone('a\0')],
        [put('a\0', '4', null)],
      ],
    })
    assert.deepEqual(
      outcomes.map(outcome => ('conflict' in outcome ? outcome.conflict : outcome.versions.length)),
      ['a\0', 2, 'a\0', 'c\0', 1, 1],
    )
    assert.equal(await store.get('b\0'), undefined)
    assert.match((await textOf(store, 'a\0'))!, /^4 /)
    assert.match((await textOf(store, 'c\0'))!, /^1 /)
  })

  check('of conditions that compete, one holds', async open => {
    const stores = await Promise.all(Array.from({ length: 4 }, () => open()))
    for (let round = 1; round <= 10; round++) {
      const outcomes = await Promise.all(
        stores.map((store, index) =>
          store.write({
            writer: `${index}`.repeat(32),
            sequence: round,
            units: [[put(`k${round}\0`, `${index}`, null)]],
          }),
        ),
      )
      assert.equal(outcomes.filter(([outcome]) => 'versions' in outcome!).length, 1)
    }
  })

  check('batches over the same keys in any order do not wait for each other for ever', async open => {
    const stores = await Promise.all(Array.from({ length: 4 }, () => open()))
    const keys = Array.from({ length: 40 }, (_, index) => `m${index}\0k\0`)
    await Promise.all(
      stores.map(async (store, index) => {
        const ordered = index % 2 === 0 ? keys : [...keys].reverse()
        for (let sequence = 1; sequence <= 10; sequence++) {
          await store.write({
            writer: `${index}`.repeat(32),
            sequence,
            units: [ordered.map(key => put(key, `${index}`))],
          })
        }
      }),
    )
    const values = await stores[0]!.getMany(keys)
    assert.equal(new Set(values.map((value, index) => shown(keys[index]!, value)![0])).size, 1)
  })

  check('a sequence is taken once: what comes late changes nothing', async open => {
    const [a, b] = [await open(), await open()]
    const units = [[put('k\0', 'x')], [put('k\0', 'y', null)]]
    const outcomes = await a.write({ writer: A, sequence: 5, units })
    assert.deepEqual(await b.settle(A, 5), outcomes)
    assert.deepEqual(await b.settle(A, 5), outcomes)
    await assert.rejects(a.write({ writer: A, sequence: 5, units: [[put('k\0', 'z')]] }))
    await assert.rejects(a.write({ writer: A, sequence: 4, units: [[put('k\0', 'z')]] }))
    assert.match((await textOf(b, 'k\0'))!, /^x /)
  })

  check('what was settled as of no effect never has any, whoever asked', async open => {
    const [a, b] = [await open(), await open()]
    assert.equal(await b.settle(A, 1), undefined)
    await assert.rejects(a.write({ writer: A, sequence: 1, units: [[put('k\0', 'x')]] }))
    assert.equal(await b.settle(A, 1), undefined)
    assert.equal(await b.get('k\0'), undefined)
    await a.write({ writer: A, sequence: 2, units: [[put('k\0', 'y')]] })
    assert.match((await textOf(b, 'k\0'))!, /^y /)
    // Another writer has numbers of its own.
    await b.write({ writer: B, sequence: 1, units: [[put('l\0', 'z')]] })
    await a.forget(A)
  })
}

const ID = 'e'.repeat(32)
const A = 'a'.repeat(32)
const B = 'b'.repeat(32)

function put(key: string, text: string, expected?: number | null): DirectWrite {
  return { key, expected, value: lsn => encodeStoredValue({ key, lsn, form: PLAIN_FORM, value: Buffer.from(text) }) }
}

function gone(key: string): DirectWrite {
  return { key, expected: undefined, value: undefined }
}

function versionsOf(outcome: Awaited<ReturnType<DirectStore['write']>>[number] | undefined): number[] {
  assert.ok(outcome !== undefined && 'versions' in outcome)
  return outcome.versions
}

async function textOf(store: DirectStore, key: string): Promise<string | undefined> {
  return shown(key, await store.get(key))
}

/** The value and its version. */
function shown(key: string, bytes: Buffer | undefined): string | undefined {
  if (bytes === undefined) return undefined
  const { value, lsn } = decodeStoredValue(key, bytes)
  return `${value} ${lsn}`
}
