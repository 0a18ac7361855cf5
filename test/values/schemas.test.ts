// Validators of maps: what is written is what the schema has made of it, and what it refuses is not written.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as v from 'valibot'
import { z } from 'zod'
import { InvalidValueError, type MapOptions, type SchemaOptions, type StandardSchema } from '../../src/index.js'
import { freshMemory } from '../api/temporary-folder.js'

const ZodRun = z.object({
  step: z.number().int().nonnegative(),
  title: z.string().trim().default('untitled'),
  tags: z.array(z.string()).transform(tags => new Set(tags)),
})
const ValibotRun = v.object({
  step: v.pipe(v.number(), v.integer(), v.minValue(0)),
  title: v.optional(v.pipe(v.string(), v.trim()), 'untitled'),
  tags: v.pipe(
    v.array(v.string()),
    v.transform(tags => new Set(tags)),
  ),
})

for (const [name, schema] of [
  ['zod', ZodRun],
  ['valibot', ValibotRun],
] as const) {
  test(`what a schema of ${name} makes of a value is stored, and types follow from it`, async t => {
    const memory = await freshMemory(t)
    // The same types, of whichever library: that this compiles is half of the test.
    const runs = schema === ZodRun ? memory.map('runs', { schema: ZodRun }) : memory.map('runs', { schema: ValibotRun })
    const given = { step: 1, tags: ['a', 'b', 'a'], unknown: 'left out' }
    await runs.set('r', given)

    const run = await runs.get('r')
    const tags: Set<string> = run!.tags
    const title: string = run!.title
    assert.deepEqual(run, { step: 1, title: 'untitled', tags: new Set(['a', 'b']) })
    assert.deepEqual([tags.size, title], [2, 'untitled'])
    assert.deepEqual(given, { step: 1, tags: ['a', 'b', 'a'], unknown: 'left out' })
    const { value } = await runs.update('r', found => ({ ...found, step: found.step + 1, tags: [...found.tags, 'c'] }))
    assert.deepEqual(value, { step: 2, title: 'untitled', tags: new Set(['a', 'b', 'c']) })
    assert.deepEqual(await runs.get('r'), value)
    await memory.batch(b => void b.set(runs, 'batch', { step: 3, title: ' x ', tags: [] }))
    assert.equal((await runs.get('batch'))?.title, 'x')
    await runs.setMany([['many', { step: 4, tags: [] }]])
    await runs.update('new', found => ({ step: found.step + 1, tags: [...found.tags] }), {
      initial: { step: 7, tags: ['first'] },
    })
    assert.deepEqual(await runs.get('new'), { step: 8, title: 'untitled', tags: new Set(['first']) })
  })

  test(`what a schema of ${name} refuses is VALUE_INVALID with its issues, and nothing was written`, async t => {
    const memory = await freshMemory(t)
    const runs = memory.map('runs', { schema: schema as StandardSchema<unknown, { step: number }> })
    const wrong = { step: 'one', tags: ['a', 5] }
    const isTold = (error: unknown) => {
      assert.ok(error instanceof InvalidValueError && error instanceof TypeError)
      assert.equal(error.code, 'VALUE_INVALID')
      assert.match(error.message, /^The schema of the map "runs" refuses the value: value\.step: .*value\.tags\[1\]: /)
      assert.deepEqual(
        error.issues.map(({ path }) => path),
        [['step'], ['tags', 1]],
      )
      assert.ok(error.issues.every(({ message }) => message.length > 5))
      return true
    }

    await assert.rejects(runs.set('r', wrong), isTold)
    await assert.rejects(runs.set('r', wrong, { durability: 'write-through' }), isTold)
    await assert.rejects(
      runs.setMany([
        ['good', { step: 1, tags: [] }],
        ['r', wrong],
      ]),
      isTold,
    )
    await assert.rejects(
      runs.update('r', () => wrong),
      isTold,
    )
    await assert.rejects(
      runs.update('r', found => found, { initial: wrong }),
      isTold,
    )
    await assert.rejects(
      memory.batch(b => {
        b.set(runs, 'good', { step: 1, tags: [] })
        b.set(runs, 'r', wrong)
      }),
      isTold,
    )
    assert.equal(memory.status().lsn.accepted, 0)
    await runs.set('r', { step: 1, tags: [] })
    await assert.rejects(
      runs.update('r', found => ({ ...found, step: -1, tags: [] })),
      { code: 'VALUE_INVALID' },
    )
    assert.equal((await runs.get('r'))?.step, 1)
  })
}

test('the type of a map follows from its schema, for what it takes and for what it gives', async t => {
  const memory = await freshMemory(t)
  const lengths = memory.map('lengths', { schema: z.string().transform(text => text.length) })
  await lengths.set('k', 'four')
  const length: number | undefined = await lengths.get('k')
  assert.equal(length, 4)
  const result: { value: number } = await lengths.update('k', found => 'x'.repeat(found + 1))
  assert.equal(result.value, 5)
  // @ts-expect-error: it takes text.
  await assert.rejects(lengths.set('k', 5), { code: 'VALUE_INVALID' })
  // @ts-expect-error: of another type than the schema gives.
  memory.map<Date>('dates', { schema: z.string() })
  const typed = memory.map<{ step: number }>('typed', { schema: z.object({ step: z.number() }) })
  await typed.set('k', { step: 1 })
  // Keys are as they were.
  const keyed = memory.map<number, [string, string]>('keyed', { schema: z.number() })
  await keyed.set(['a', 'b'], 1)
  // @ts-expect-error: not such a key.
  await keyed.set('a', 1)
  for await (const { key, value } of keyed.entries({ limit: 1 })) assert.deepEqual([key, value + 1], ['a', 2])
})

test('what is read is not checked again: a stricter schema hides nothing that was stored before', async t => {
  const memory = await freshMemory(t)
  await memory.map('loose', { schema: z.object({ n: z.number() }) }).set('k', { n: -1 })
  const other = memory.map('loose', { schema: z.object({ n: z.number().positive() }) })

  assert.deepEqual(await other.get('k'), { n: -1 })
  await assert.rejects(other.set('k', { n: -2 }), { code: 'VALUE_INVALID' })
  await assert.rejects(
    other.update('k', found => found),
    { code: 'VALUE_INVALID' },
  )
})

test('each handle uses the schema that it was given, and one without options that of the first', async t => {
  const memory = await freshMemory(t)
  const upper = (text: string) => z.string().transform(each => each + text)
  const first = memory.map('m', { schema: upper('!') })
  const again = memory.map('m', { schema: upper('?') })
  await first.set('a', 'x')
  await again.set('b', 'x')
  await memory.map('m').set('c', 'x')
  await memory.scope('acme').map('m').set('c', 'x')

  assert.deepEqual(await first.getMany(['a', 'b', 'c']), ['x!', 'x?', 'x!'])
  assert.equal(await memory.scope('acme').map('m').get('c'), 'x!')
  assert.throws(() => memory.map('m', { durability: 'write-ahead' }), { code: 'OPTIONS_DIFFER' })
  assert.throws(() => memory.map('m', { schema: v.string() }), { code: 'OPTIONS_DIFFER' })
})

test('a schema that is asynchronous is told so, and nothing was written', async t => {
  const memory = await freshMemory(t)
  const error = { code: 'INVALID_OPTION', message: /"m\d" has answered with a promise/ }
  const late: StandardSchema = {
    '~standard': { version: 1, vendor: 'test', validate: () => Promise.reject(new Error('late')) },
  }
  // biome-ignore lint/suspicious/noThenProperty: a promise of a library's own is what is tested.
  const thenable = { '~standard': { version: 1, vendor: 'test', validate: () => ({ then: () => {} }) } }
  const schemas = [
    z.string().refine(async () => true),
    v.pipeAsync(
      v.string(),
      v.checkAsync(async () => true),
    ),
    late,
  ]
  for (const [index, schema] of [...schemas, thenable].entries()) {
    const map = memory.map(`m${index}`, { schema: schema as StandardSchema })
    await assert.rejects(map.set('k', 'x'), error)
  }
  assert.equal(memory.status().lsn.accepted, 0)
})

test('a schema of any kind may be given: a function that is one, issues of every shape', async t => {
  const memory = await freshMemory(t)
  const symbol = Symbol('s')
  const issues = [
    { message: 'whole' },
    { message: 'keyed', path: [{ key: 'a b' }, 0, symbol] },
    { message: 'plain', path: ['x'] },
    { message: 'fourth', path: [] },
  ]
  const schema = Object.assign(() => {}, {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value: unknown) => (value === 'ok' ? { value: 'stored' } : { issues }),
    },
  } as StandardSchema)
  const map = memory.map('m', { schema })
  await map.set('k', 'ok')
  assert.equal(await map.get('k'), 'stored')
  await assert.rejects(map.set('k', 'no'), (error: unknown) => {
    assert.ok(error instanceof InvalidValueError)
    assert.match(
      error.message,
      /value: whole; value\["a b"\]\[0\]\[Symbol\(s\)\]: keyed; value\.x: plain \(and 1 more\)/,
    )
    assert.deepEqual(error.issues, [
      { message: 'whole', path: [] },
      { message: 'keyed', path: ['a b', 0, symbol] },
      { message: 'plain', path: ['x'] },
      { message: 'fourth', path: [] },
    ])
    return true
  })
})

test('what a schema throws reaches the caller, and what it makes must be a value that can be kept', async t => {
  const memory = await freshMemory(t)
  const make = (validate: () => { value: unknown }): StandardSchema => ({
    '~standard': { version: 1, vendor: 'test', validate },
  })
  const broken = make(() => {
    throw new RangeError('broken')
  })
  await assert.rejects(memory.map('a', { schema: broken }).set('k', 1), new RangeError('broken'))
  await assert.rejects(memory.map('b', { schema: make(() => ({ value: undefined })) }).set('k', 1), {
    code: 'VALUE_UNSUPPORTED',
  })
  await assert.rejects(memory.map('c', { schema: make(() => ({ value: () => 1 })) }).set('k', 1), {
    code: 'VALUE_UNSUPPORTED',
  })
  assert.equal(memory.status().lsn.accepted, 0)
})

test('what is no schema is refused when the map is opened', async t => {
  const memory = await freshMemory(t)
  const validate = (value: unknown) => ({ value })
  for (const schema of [
    null,
    'string',
    {},
    { parse: validate },
    { '~standard': { version: 2, vendor: 'test', validate } },
    { '~standard': { version: 1, vendor: 'test' } },
    Object.create(null),
  ]) {
    const options = { schema } as MapOptions & SchemaOptions
    assert.throws(() => memory.map('m', options), { code: 'INVALID_OPTION', message: /"schema" is/ })
  }
})

test('a schema may write, while it is asked, to the very key that its value is for', async t => {
  const memory = await freshMemory(t)
  const plain = memory.map<number>('plain')
  const map = memory.map('m', {
    schema: z.number().transform(n => {
      void plain.set('asked', n)
      return n * 2
    }),
  })
  await plain.set('asked', 0)
  await map.set('k', 1)
  await map.update('k', n => n + 1)

  assert.deepEqual([await plain.get('asked'), await map.get('k')], [3, 6])
})
