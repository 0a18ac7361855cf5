// `holdfast doctor` as a process, in places of every kind.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Check } from '../../src/cli/doctor/checks.js'
import type { DurabilityRow } from '../../src/cli/doctor/report.js'
import { command, hashesOf, jsonOf, kill, MAIN, newPath, startOwner } from './helpers.js'
import { CANNOT_MOUNT, mountTmpfs, readOnlyFolder } from './places.js'

interface DoctorResult {
  ok: boolean
  verdict: { level: Check['level']; text: string }
  nearest: string
  holds: string
  fileSystem: { kind: string }
  checks: Check[]
  syncUs?: { count: number; median: number }
  kills?: { lives: number; broken: string[] }
  durabilities?: DurabilityRow[]
  notProven: string
}

const LIVES = '6'

async function doctorOf(...args: string[]): Promise<{ code: number | null; result: DoctorResult }> {
  const { code, json } = await jsonOf('doctor', ...args)
  return { code, result: json as unknown as DoctorResult }
}

const levelOf = ({ checks }: DoctorResult, name: Check['name']) => checks.find(each => each.name === name)?.level

test('beside a memory that is in use the doctor tries everything, measures, and leaves no trace', async t => {
  const folder = newPath(t)
  const owner = await startOwner(folder, { first: 1, last: 20, ending: 'hold' })
  t.after(() => kill(owner))
  const before = hashesOf(folder)

  const { code, result } = await doctorOf(folder, '--lives', LIVES)

  // What the machine's folder for temporary files is made of decides between the two.
  assert.equal(code, { ok: 0, warning: 5, problem: 1 }[result.verdict.level])
  assert.deepEqual(
    result.checks.filter(({ level }) => level === 'problem'),
    [],
  )
  assert.equal(result.ok, code === 0)
  assert.equal(result.holds, 'memory')
  for (const name of ['write', 'space', 'sync', 'names', 'lock', 'kills'] as const)
    assert.ok(levelOf(result, name), name)
  assert.ok(result.syncUs!.count >= 200 && result.syncUs!.median > 0)
  assert.equal(result.kills!.lives, Number(LIVES))
  assert.deepEqual(
    result.durabilities!.map(({ durability }) => durability),
    ['write-back', 'write-ahead', 'write-through'],
  )
  for (const row of result.durabilities!) {
    assert.ok(row.medianUs > 0 && row.p99Us >= row.medianUs)
    assert.ok(row.durability === 'write-back' || row.lost === 0)
  }
  assert.match(result.notProven, /A kill is not a power cut/)
  assert.deepEqual(hashesOf(folder), before)
})

test('a folder that is not there is looked at by way of the nearest one that is, and is not made', async t => {
  const parent = newPath(t)
  mkdirSync(parent)

  const { code, stdout } = await command('doctor', join(parent, 'agents', 'one'), '--lives', '1')

  assert.ok(code === 0 || code === 5, stdout)
  assert.match(stdout, /agents\/one is not there; it would be made in .*memory, which was looked at/)
  assert.match(stdout, /durability +latency: median, p99 +a kill lost +a power cut may lose +use it for/)
  assert.match(stdout, /A kill is not a power cut/)
  assert.match(stdout.trimEnd().split('\n\n').at(-1)!, /^(Fit|Works, but beware): /)
  assert.deepEqual(readdirSync(parent), [])
})

test('a tmpfs works, with a warning that it is in RAM', async t => {
  const folder = mountTmpfs(t, '2g')
  if (folder === undefined) return t.skip(CANNOT_MOUNT)

  const { code, result } = await doctorOf(folder, '--lives', LIVES)

  assert.equal(code, 5)
  assert.equal(result.ok, false)
  assert.equal(result.fileSystem.kind, 'tmpfs')
  assert.equal(levelOf(result, 'file system'), 'warning')
  assert.match(result.verdict.text, /^Works, but beware: tmpfs is in RAM: a power cut .* loses all of it/)
  // That it is fast is no news there.
  assert.equal(levelOf(result, 'sync'), 'ok')
  for (const row of result.durabilities!) assert.equal(row.powerCutLoses, 'everything: tmpfs')
  assert.deepEqual(readdirSync(folder), [])
})

test('a full disk is not fit, and what little room it has is not used up', async t => {
  const folder = mountTmpfs(t, '1m')
  if (folder === undefined) return t.skip(CANNOT_MOUNT)
  fill(join(folder, 'filler'))

  const { code, result } = await doctorOf(folder)

  assert.equal(code, 1)
  assert.equal(levelOf(result, 'space'), 'problem')
  assert.equal(levelOf(result, 'kills'), undefined)
  assert.match(result.verdict.text, /^Not fit: too little room: 0 bytes free/)
  assert.deepEqual(readdirSync(folder), ['filler'])
  assert.equal((await jsonOf('bench', folder)).json.error?.code, 'DISK_FULL')
})

test('a disk that fills up while the doctor looks at it is not fit', async t => {
  const folder = mountTmpfs(t, '80m')
  if (folder === undefined) return t.skip(CANNOT_MOUNT)
  const child = start(['doctor', folder, '--lives', '1000', '--json'])
  const end = ended(child)
  await untilKilling(folder, child)
  fill(join(folder, 'filler'))

  const { code, stdout } = await end

  const result = JSON.parse(stdout) as DoctorResult
  assert.equal(code, 1)
  assert.equal(levelOf(result, 'kills'), 'problem')
  assert.match(result.verdict.text, /^Not fit: the disk was filled up while it was looked at/)
  assert.deepEqual(readdirSync(folder), ['filler'])
})

test('a folder that cannot be written is not fit, and says why', async t => {
  const place = readOnlyFolder(t)
  if (place === undefined) return t.skip(`${CANNOT_MOUNT}, and root may write every folder`)

  const text = await command('doctor', place.folder)
  const { code, result } = await doctorOf(join(place.folder, 'memory'))

  assert.equal(text.code, 1)
  assert.match(text.stdout, new RegExp(`PROBLEM {2}write .*cannot be\\s+written \\(${place.error}\\)`))
  assert.match(text.stdout.trimEnd().split('\n').at(-1)!, /^Not fit: .*cannot be written/)
  assert.equal(code, 1)
  assert.equal(result.durabilities, undefined)
  const bench = await command('bench', place.folder)
  assert.equal(bench.code, 3)
  assert.match(bench.stderr, /^(FOLDER_NOT_WRITABLE|DISK_FULL): /)
})

test('a disk that forgets what it was given is caught', async t => {
  const folder = newPath(t)
  mkdirSync(folder)
  const forgetful = new URL('./forgetful-disk.js', import.meta.url).href
  const { code, stdout } = await ended(start(['doctor', folder, '--lives', '50', '--json'], `--import=${forgetful}`))

  const result = JSON.parse(stdout) as DoctorResult
  assert.equal(code, 1)
  assert.equal(levelOf(result, 'kills'), 'problem')
  assert.ok(result.kills!.broken.length > 0)
  assert.match(result.verdict.text, /^Not fit: after \d+ kills?, /)
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} ends the doctor, its child and its folder`, async t => {
    const folder = newPath(t)
    mkdirSync(folder)
    const child = start(['doctor', folder, '--lives', '1000'])
    await untilKilling(folder, child)

    child.kill(signal)

    assert.equal((await ended(child)).code, signal === 'SIGINT' ? 130 : 143)
    assert.deepEqual(readdirSync(folder), [])
  })
}

test('what a doctor that was killed outright has left is removed by the next one', async t => {
  const folder = newPath(t)
  mkdirSync(folder)
  const child = start(['doctor', folder, '--lives', '1000'])
  await untilKilling(folder, child)
  await kill(child)
  assert.equal(readdirSync(folder).length, 1)
  mkdirSync(join(folder, '.holdfast-scratch-of-another-kind'))

  const { code } = await command('doctor', folder, '--lives', '1')

  assert.ok(code === 0 || code === 5)
  // Without its lock's file a folder may be one that is just being made.
  assert.deepEqual(readdirSync(folder), ['.holdfast-scratch-of-another-kind'])
})

test('wrong usage of doctor and bench ends with 2 and one line of what is wrong', async t => {
  const folder = newPath(t)
  mkdirSync(folder)
  const file = join(folder, 'file')
  writeFileSync(file, 'mine')
  const wrong: [string[], RegExp][] = [
    [['doctor', file], /^INVALID_ARGUMENT: .*file, or a part of that path, is a file\. Give the path of a folder/],
    [['bench', join(file, 'memory')], /^INVALID_ARGUMENT: .*is a file/],
    [['doctor', folder, '--lives', '0'], /^INVALID_ARGUMENT: option '--lives <count>' argument '0' is invalid/],
    [['doctor', folder, '--lives', '1e3'], /^INVALID_ARGUMENT: option '--lives/],
    [['doctor', folder, folder], /^INVALID_ARGUMENT: too many arguments/],
    [['bench', folder, '--lives', '3'], /^UNKNOWN_OPTION: unknown option '--lives'/],
  ]
  for (const [args, expected] of wrong) {
    const { code, stdout, stderr } = await command(...args)
    assert.equal(code, 2, args.join(' '))
    assert.equal(stdout, '')
    assert.match(stderr, expected)
    assert.equal(stderr.trim().split('\n').length, 1)
  }
  assert.deepEqual(readdirSync(folder), ['file'])
})

function start(args: string[], nodeOptions?: string): ChildProcess {
  const env = nodeOptions === undefined ? process.env : { ...process.env, NODE_OPTIONS: nodeOptions }
  return spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'inherit'], env })
}

async function ended(child: ChildProcess): Promise<{ code: number | null; stdout: string }> {
  let stdout = ''
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  await once(child, 'close')
  return { code: child.exitCode, stdout }
}

/** Resolves once a process of the kill harness has made its memory. */
async function untilKilling(folder: string, doctor: ChildProcess): Promise<void> {
  const isKilling = () => readdirSync(folder).some(name => existsSync(join(folder, name, 'killed', 'holdfast.json')))
  while (!isKilling()) {
    assert.equal(doctor.exitCode, null, 'the doctor has ended before it killed anything')
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

/** Takes all the room that a file system has. */
function fill(path: string): void {
  const fd = openSync(path, 'wx')
  try {
    const block = Buffer.alloc(64 * 1024, 1)
    for (;;) writeSync(fd, block)
  } catch (error) {
    assert.equal((error as { code?: unknown }).code, 'ENOSPC')
  } finally {
    closeSync(fd)
  }
}
