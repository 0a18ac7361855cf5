// The policy of maps against a model that spells out the order of precedence, over a few hostile names.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeKey } from '../../src/core/key.js'
import { anySegment, chooseDurability, type Durability, type DurabilityRule, type Key } from '../../src/index.js'
import { DURABILITIES } from '../../src/policy/durability.js'
import { Pattern } from '../../src/policy/key-pattern.js'
import { MapPolicy } from '../../src/policy/map-policy.js'
import { parseRules } from '../../src/rule-options.js'

const MAPS = ['m', 'm-old', '__proto__']
const CLASSES = ['user_payment', 'view_count', 'mine', 'constructor']
const SEGMENTS = ['a', 'a\0b', 'a-b', '*', 'é', '']

type Segment = string | typeof anySegment

// Records are compared with what a program would write.
const PLAIN = { noNullPrototype: true }

const durability = fc.constantFrom<Durability>(...DURABILITIES)
const key = fc.array(fc.constantFrom(...SEGMENTS), { minLength: 1, maxLength: 4 })
const pattern = fc.array(fc.constantFrom<Segment>(...SEGMENTS, anySegment, anySegment), { minLength: 1, maxLength: 4 })
const conditions = { prefix: fc.option(pattern, { nil: undefined }), dataClass: maybe(CLASSES) }

/** Rules without two of equal conditions. */
function rulesOf(rule: fc.Arbitrary<DurabilityRule>): fc.Arbitrary<DurabilityRule[]> {
  const hasCondition = (each: DurabilityRule) => (each.map ?? each.prefix ?? each.dataClass) !== undefined
  const selector = ({ map, prefix, dataClass }: DurabilityRule) =>
    JSON.stringify([
      map ?? 0,
      (prefix as Segment[])?.map(each => (typeof each === 'string' ? each : 0)) ?? 0,
      dataClass,
    ])
  return fc.uniqueArray(rule.filter(hasCondition), { maxLength: 12, selector })
}

const cases = fc.record({
  memoryRules: rulesOf(fc.record({ map: maybe(MAPS), ...conditions, durability }, PLAIN)),
  mapRules: rulesOf(fc.record({ ...conditions, durability }, PLAIN)),
  memoryDurability: durability,
  ofMap: fc.oneof(
    fc.record({ durability: fc.option(durability, { nil: undefined }), dataClass: fc.constant(undefined) }),
    fc.record({ durability: fc.constant(undefined), dataClass: fc.constantFrom(...CLASSES) }),
  ),
  map: fc.constantFrom(...MAPS),
  key,
  dataClass: maybe(CLASSES),
})

type Case = typeof cases extends fc.Arbitrary<infer Value> ? Value : never

function maybe(names: readonly string[]): fc.Arbitrary<string | undefined> {
  return fc.option(fc.constantFrom(...names), { nil: undefined })
}

test('whatever the rules, the most specific counts, as the documents say', () => {
  fc.assert(
    fc.property(cases, each => {
      const policy = policyOf(each)
      const encoded = encodeKey(each.key)
      const expected = modelOf(each)

      assert.equal(policy.durabilityOf(encoded, each.dataClass), expected.durability)
      const { durability, source, rule, reason } = policy.decide(encoded, each.dataClass)
      assert.equal(durability, expected.durability)
      assert.deepEqual(rule, expected.rule)
      assert.equal(source.endsWith('rule'), rule !== undefined)
      assert.ok(reason.includes(durability), reason)
      if (policy.isConstant && each.dataClass === undefined) assert.equal(policy.byDefault.durability, durability)
    }),
    { numRuns: 3000 },
  )
})

test('the order in which rules are given does not matter', () => {
  fc.assert(
    fc.property(cases, each => {
      const other = { ...each, memoryRules: [...each.memoryRules].reverse(), mapRules: [...each.mapRules].reverse() }
      const encoded = encodeKey(each.key)
      assert.deepEqual(policyOf(each).decide(encoded, each.dataClass), policyOf(other).decide(encoded, each.dataClass))
    }),
  )
})

test('from the left, a segment that is named goes before any, and any before none', () => {
  const order: Segment[][] = [
    ['a', 'b', 'c'],
    ['a', 'b'],
    ['a', anySegment, 'c'],
    ['a', anySegment],
    ['a'],
    [anySegment, 'b'],
    [anySegment, anySegment, anySegment],
    [anySegment],
  ]
  const sorted = [...order].reverse().sort((a, b) => new Pattern(a).compare(new Pattern(b)))

  assert.deepEqual(sorted, order)
})

test('patterns match whole segments, and what a user has named is data', () => {
  const fits = (prefix: Key | Segment[], name: Key) => new Pattern(prefix).fits(encodeKey(name))

  assert.equal(fits('acme', 'acme'), true)
  assert.equal(fits('acme', ['acme', 'x']), true)
  for (const stranger of ['acm', 'acme-corp', 'acme\0corp', '', ['x', 'acme']]) {
    assert.equal(fits('acme', stranger), false, JSON.stringify(stranger))
  }
  assert.equal(fits([anySegment, 'orders'], ['acme', 'orders', '7']), true)
  assert.equal(fits([anySegment, 'orders'], ['acme\0orders', 'x']), false)
  assert.equal(fits([anySegment, 'orders'], 'orders'), false)
  assert.equal(fits(['*', 'orders'], ['acme', 'orders']), false)
  assert.equal(fits(['*', 'orders'], ['*', 'orders']), true)
  assert.equal(fits([anySegment, anySegment], 'acme'), false)
  assert.equal(fits([anySegment], ['', 'x']), true)
})

test('two rules of equal conditions contradict each other, unless they say the same', () => {
  const rule = { map: 'orders', prefix: ['paid', anySegment], dataClass: 'mine', durability: 'write-back' } as const

  assert.equal(parseRules([rule, { ...rule }], 'memory').length, 2)
  assert.throws(() => parseRules([rule, { ...rule, durability: 'write-ahead' }], 'memory'), {
    code: 'INVALID_OPTION',
    message: /map "orders".*\["paid", any\].*data class "mine".*write-back and write-ahead/,
  })
  for (const other of [{ map: 'order' }, { prefix: 'paid' }, { prefix: ['paid', '*'] }, { dataClass: 'my' }]) {
    parseRules([rule, { ...rule, ...other, durability: 'write-ahead' }], 'memory')
  }
})

test('a rule that is changed after it was given changes nothing', () => {
  const rule: DurabilityRule = { prefix: ['a'], durability: 'write-back' }
  const rules = parseRules([rule], 'map')
  rule.durability = 'write-through'
  ;(rule.prefix as string[])[0] = 'b'

  assert.deepEqual(rules[0]!.given, { prefix: ['a'], durability: 'write-back' })
})

test('wrong rules are refused', () => {
  const wrong: [string, unknown][] = [
    ['INVALID_OPTION', {}],
    ['INVALID_OPTION', ['a']],
    ['INVALID_OPTION', [null]],
    ['INVALID_OPTION', [{ durability: 'write-back' }]],
    ['INVALID_OPTION', [{ map: 'm' }]],
    ['INVALID_OPTION', [{ map: 'm', durability: 'fast' }]],
    ['INVALID_OPTION', [{ dataClass: '', durability: 'write-back' }]],
    ['INVALID_OPTION', [{ dataClass: 7, durability: 'write-back' }]],
    ['INVALID_NAME', [{ map: '', durability: 'write-back' }]],
    ['INVALID_NAME', [{ map: ['m'], durability: 'write-back' }]],
    ['INVALID_KEY', [{ prefix: [], durability: 'write-back' }]],
    ['INVALID_KEY', [{ prefix: [null], durability: 'write-back' }]],
    ['INVALID_KEY', [{ prefix: anySegment, durability: 'write-back' }]],
    ['INVALID_KEY', [{ prefix: [Symbol('any')], durability: 'write-back' }]],
    ['UNKNOWN_OPTION', [{ map: 'm', key: 'a', durability: 'write-back' }]],
  ]
  for (const [code, rules] of wrong) assert.throws(() => parseRules(rules, 'memory'), { code }, code)
  assert.throws(() => parseRules([{ map: 'm', durability: 'write-back' }], 'map'), { code: 'UNKNOWN_OPTION' })
})

test('data classes mean what is said of them, one’s own first; names of Object.prototype are names', () => {
  for (const each of ['user_payment', 'user_preference', 'auth_token']) {
    assert.equal(chooseDurability(each), 'write-through')
  }
  for (const each of ['access_log', 'view_count', 'cache_hit']) assert.equal(chooseDurability(each), 'write-back')
  for (const each of ['message', '__proto__', 'constructor', 'toString', 'USER_PAYMENT']) {
    assert.equal(chooseDurability(each), 'write-ahead')
  }
  const own = JSON.parse('{ "view_count": "write-ahead", "invoice": "write-through", "__proto__": "write-back" }')
  assert.equal(chooseDurability('view_count', own), 'write-ahead')
  assert.equal(chooseDurability('invoice', own), 'write-through')
  assert.equal(chooseDurability('__proto__', own), 'write-back')
  assert.equal(chooseDurability('constructor', own), 'write-ahead')
  assert.equal(chooseDurability('cache_hit', own), 'write-back')

  assert.throws(() => chooseDurability(''), { code: 'INVALID_ARGUMENT' })
  assert.throws(() => chooseDurability(undefined as never), { code: 'INVALID_ARGUMENT' })
  assert.throws(() => chooseDurability('a', { a: 'fast' as never }), { code: 'INVALID_ARGUMENT' })
})

function policyOf(each: Case): MapPolicy {
  return new MapPolicy({
    map: each.map,
    ...each.ofMap,
    mapRules: parseRules(each.mapRules, 'map'),
    memoryRules: parseRules(each.memoryRules, 'memory'),
    memoryDurability: each.memoryDurability,
  })
}

/** The list of docs/durability.md, "Which durability counts", from its top. */
function modelOf(each: Case): { durability: Durability; rule: DurabilityRule | undefined } {
  const { mapRules, ofMap, memoryDurability } = each
  const memoryRules = each.memoryRules.filter(rule => rule.map === undefined || rule.map === each.map)
  const fits = ({ prefix }: DurabilityRule) =>
    (prefix as Segment[]).every((segment, at) => at < each.key.length && [anySegment, each.key[at]].includes(segment))
  const decided = (rule: DurabilityRule) => ({ durability: rule.durability, rule })
  const meaningOf = (dataClass: string) => {
    const speaks = (rule: DurabilityRule) => rule.dataClass === dataClass && (rule.prefix === undefined || fits(rule))
    const rule = mostSpecific(mapRules.filter(speaks), memoryRules.filter(speaks))
    return rule === undefined ? { durability: chooseDurability(dataClass), rule } : decided(rule)
  }

  if (each.dataClass !== undefined) return meaningOf(each.dataClass)
  const speaksOfKey = (rule: DurabilityRule) =>
    rule.prefix !== undefined && fits(rule) && (rule.dataClass === undefined || rule.dataClass === ofMap.dataClass)
  const ofKey = mostSpecific(mapRules.filter(speaksOfKey), memoryRules.filter(speaksOfKey))
  if (ofKey !== undefined) return decided(ofKey)
  if (ofMap.durability !== undefined) return { durability: ofMap.durability, rule: undefined }
  if (ofMap.dataClass !== undefined) return meaningOf(ofMap.dataClass)
  const speaksOfMap = (rule: DurabilityRule) => rule.prefix === undefined && rule.dataClass === undefined
  const ofMemory = memoryRules.find(speaksOfMap)
  return ofMemory === undefined ? { durability: memoryDurability, rule: undefined } : decided(ofMemory)
}

/** Keys before none; at that, the map's own rules before the memory's; then by what they name. */
function mostSpecific(ofMap: readonly DurabilityRule[], ofMemory: readonly DurabilityRule[]) {
  const rank = (rule: DurabilityRule, of: string) =>
    [
      rule.prefix === undefined ? '1' : '0',
      of,
      rule.map === undefined ? '1' : '0',
      ((rule.prefix ?? []) as Segment[])
        .map(segment => (segment === anySegment ? '1' : '0'))
        .join('')
        .padEnd(8, '2'),
      rule.dataClass === undefined ? '1' : '0',
    ].join('')
  const ranked = [
    ...ofMap.map(rule => ({ rule, rank: rank(rule, '0') })),
    ...ofMemory.map(rule => ({ rule, rank: rank(rule, '1') })),
  ]
  return ranked.sort((a, b) => (a.rank < b.rank ? -1 : 1))[0]?.rule
}
