import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { InputError, parseRuns, readRuns } from '../../demo/input.js'
import { Life } from '../../demo/life.js'
import { makeRuns } from '../../demo/make-runs.js'
import type { FoundEntry } from '../../demo/memory.js'
import { parseOptions } from '../../demo/options.js'
import { makePlan } from '../../demo/plan.js'
import { countMessages } from '../../demo/run.js'
import { verify } from '../../demo/verify.js'
import { MILESTONE } from '../../src/policy/durability.js'

const MAIN = fileURLToPath(new URL('../../demo/main.js', import.meta.url))
const TRACES = fileURLToPath(new URL('../../../../shared/data/agent-traces.json', import.meta.url))
const CHAT = [
  { role: 'user', content: '你好 👋' },
  { role: 'assistant', content: null, tool_calls: [{ id: 'a', function: { name: 'f', arguments: '{}' } }] },
  { role: 'tool', tool_call_id: 'a', name: 'f', content: '{"ok":true}' },
]

/** Runs the demo with a folder of its own for temporary files; `leftovers` is what it leaves there. */
function demo(...args: string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-test-'))
  try {
    const env = { ...process.env, TMPDIR: folder, TEMP: folder, TMP: folder }
    const result = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', timeout: 60_000, env })
    return { ...result, leftovers: readdirSync(folder) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

test('the demo makes 200 runs and 5,000 messages at least, the same ones for a seed', () => {
  const runs = makeRuns(1)

  assert.ok(runs.length >= 200)
  assert.ok(countMessages(runs) >= 5000, `${countMessages(runs)} messages`)
  assert.deepEqual(makeRuns(1), runs)
  assert.notDeepEqual(makeRuns(2), runs)
  const text = JSON.stringify(runs)
  for (const part of ['你好', '予約', 'مرحبًا', 'नमस्ते', '👩‍💻', 'tool_calls']) assert.ok(text.includes(part), part)
})

test('chat messages are one run, as JSON and as JSONL', () => {
  const json = parseRuns(JSON.stringify(CHAT), 'chat.json')
  const jsonl = parseRuns(`\uFEFF${CHAT.map(message => JSON.stringify(message)).join('\r\n')}\n`, 'chat.jsonl')

  assert.equal(json.length, 1)
  assert.deepEqual(json[0]!.messages, CHAT)
  assert.deepEqual(jsonl, json)
})

test('recorded runs keep their customer and their task', () => {
  const run = { task_id: 3, trial: 0, reward: 1, info: { task: { user_id: 'mia', instruction: 'fly' } }, traj: CHAT }

  const runs = parseRuns(`${JSON.stringify(run)}\n${JSON.stringify({ messages: CHAT })}`, 'runs.jsonl')

  assert.equal(runs.length, 2)
  assert.equal(runs[0]!.customer, 'mia')
  assert.deepEqual(runs[0]!.profile, { task: 3, instruction: 'fly' })
})

test('input that cannot be used is refused in one line', () => {
  const refused: [string, RegExp][] = [
    ['', /is empty/],
    ['[]', /is empty/],
    ['{"role": "user", "content": "a"}\nnonsense', /line 2/],
    ['[{"role": "user",', /neither JSON nor JSONL/],
    ['[1, 2]', /Entry 1 .* is 1/],
    ['{"a": 1}', /has no messages/],
    ['[{"traj": []}]', /empty list/],
    ['[{"traj": [{"content": "who?"}]}]', /no chat message as number 1/],
    ['[{"traj": [{"role": "user", "content": "a"}]}, {"role": "user", "content": "b"}]', /a message among runs/],
  ]
  for (const [text, message] of refused) {
    assert.throws(
      () => parseRuns(text, 'in.json'),
      (error: unknown) =>
        error instanceof InputError &&
        message.test(error.message) &&
        !error.message.includes('\n') &&
        error.message.includes('give chat messages'),
      text,
    )
  }
  assert.throws(() => readRuns('no-such-file.json'), /does not exist: give --input/)
})

test('unknown options and numbers that are none are refused', () => {
  assert.throws(() => parseOptions(['--nope']), /unknown option '--nope'/)
  assert.throws(() => parseOptions(['--kills', 'many']), /whole number/)
  assert.throws(() => parseOptions(['--sabotage', 'fire']), InputError)
  assert.throws(() => parseOptions(['extra']), InputError)
})

test('the real traces are read whole', { skip: !existsSync(TRACES) && 'the traces are not here' }, () => {
  const runs = parseRuns(readFileSync(TRACES, 'utf8'), 'agent-traces.json')

  assert.equal(runs.length, 200)
  assert.equal(countMessages(runs), 5308)
})

/** A life in which every write was acknowledged, and what a memory holds that lost nothing. */
function completeLife() {
  const plan = makePlan(parseRuns(JSON.stringify(CHAT), 'chat.json'))
  const life = new Life(0, 100, plan.ops.length)
  const newest = new Map<string, FoundEntry>()
  for (const [index, { id, value, durability }] of plan.ops.entries()) {
    const lsn = life.lsnOf(index)
    life.acks.set(index, { lsn, reached: MILESTONE[durability], ms: 0, at: 0 })
    newest.set(id, { id, value, version: lsn })
  }
  return { plan, life, entries: [...newest.values()] }
}

test('a comparison finds nothing where nothing is lost', () => {
  const { plan, life, entries } = completeLife()

  const { broken, durableLost, unconfirmed } = verify(plan, new Map(), life, entries, 0)

  assert.deepEqual({ broken, durableLost, unconfirmed }, { broken: [], durableLost: 0, unconfirmed: plan.ops.length })
})

test('a comparison finds a lost state, a hole, a wrong value and one that was never written', () => {
  const { plan, life, entries } = completeLife()
  const isTurn = ({ id }: FoundEntry) => id.startsWith('turns')
  const check = (found: FoundEntry[]) => verify(plan, new Map(), life, found, 0).broken.join('; ')

  assert.match(
    check(entries.filter(entry => !isTurn(entry))),
    /1 writes were lost.*is there, under LSN \d+, without LSN/,
  )
  assert.match(check(entries.filter(({ id }) => !id.includes('"0000"'))), /is there, under LSN/)
  assert.match(check(entries.map(entry => (isTurn(entry) ? { ...entry, value: 'x' } : entry))), /never written/)
  assert.match(check([...entries, { id: 'turns "other"', value: 1, version: 101 }]), /never written/)
})

test('a small run keeps its promises, says so, and leaves nothing behind', () => {
  const { status, stdout, stderr, leftovers } = demo('--kills', '2', '--cuts', '20', '--runs', '40')

  assert.equal(status, 0, stdout + stderr)
  assert.match(stdout, /Kills with writes in flight: 2 of 2\. Power cuts: 20\./)
  assert.match(stdout, /\n3 promises kept: .*\n$/)
  assert.deepEqual(leftovers, [])
})

test('acknowledging before the sync is caught', () => {
  const { status, stdout, stderr } = demo('--kills', '1', '--cuts', '20', '--runs', '40', '--sabotage', 'no-sync')

  assert.equal(status, 1, stdout + stderr)
  assert.match(stdout, /The sabotage was caught: [\d,]+ acknowledged writes were lost to power cuts\.\n$/)
})

test('a wrong call ends with one line and exit code 2', () => {
  const { status, stdout, stderr } = demo('--input', 'no-such-file.json')

  assert.equal(status, 2)
  assert.equal(stdout, '')
  assert.match(stderr, /^demo: The input file no-such-file\.json does not exist: .*\n$/)
})
