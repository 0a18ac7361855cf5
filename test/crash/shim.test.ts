// The shim sees every file call of a real process and can make each fail; the disk that a trace makes is the real one.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  readControl,
  readTrace,
  Shim,
  type ShimCall,
  type ShimFault,
  type ShimSetting,
  type TraceCall,
  writeControl,
} from '../../prove/shim.js'
import { TraceDisk } from '../../prove/trace-disk.js'
import { differenceTo } from '../../prove/trace-states.js'
import { DiskState } from '../../src/testing/disk-state.js'
import { freshFolder } from '../api/temporary-folder.js'

const shim = Shim.build()
const skip = shim.notRun ?? false
// Programs find packages from here.
const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url))

/** A program whose calls are known: a folder, a file that is written, synced and renamed, another one that goes. */
const PROGRAM = `
  const fs = require('node:fs')
  const root = process.argv[1]
  fs.mkdirSync(root + '/a')
  const file = fs.openSync(root + '/a/new', 'wx+')
  fs.writeSync(file, 'synced')
  fs.fsyncSync(file)
  fs.appendFileSync(root + '/ACK', 'told')
  fs.writeSync(file, 'pending!', 0)
  fs.fdatasync(file, error => {
    fs.renameSync(root + '/a/new', root + '/a/old')
    fs.fdatasyncSync(file)
    fs.ftruncateSync(file, 4)
    fs.writevSync(file, [Buffer.from('ab'), Buffer.from('c')], 4)
    fs.writeFileSync(root + '/a/gone', Buffer.alloc(5000))
    fs.unlinkSync(root + '/a/gone')
    console.log(error === null ? 'synced' : error.code, fs.readFileSync(root + '/a/old', 'latin1'))
  })
`

interface Run {
  root: string
  calls: TraceCall[]
  signal: string | null
  output: string
  errors: string
  count: ReturnType<typeof readControl>
}

async function run(setting: ShimSetting, program = PROGRAM): Promise<Run> {
  assert.ok(shim.notRun === undefined)
  const folder = await freshFolder()
  mkdirSync(folder)
  const [root, trace, control] = ['root', 'trace', 'control'].map(name => join(folder, name)) as [
    string,
    string,
    string,
  ]
  mkdirSync(root)
  writeControl(control, setting)
  const env = shim.env({ root, trace, control })
  const { signal, stdout, stderr } = spawnSync(process.execPath, ['-e', program, root], {
    cwd: REPOSITORY,
    env,
    encoding: 'utf8',
  })
  const calls = [...readTrace(trace)]
  return { root, calls, signal, output: stdout.trim(), errors: stderr, count: readControl(control) }
}

function diskOf(calls: readonly TraceCall[]): TraceDisk {
  const disk = new TraceDisk(new DiskState(), () => false)
  for (const call of calls) if (call.path !== '/ACK') disk.apply(call)
  return disk
}

const isStatements = (path: string) => path === '/ACK'

test('every call is recorded, in order and with its data', { skip }, async () => {
  const { calls, root, count, output } = await run({})

  assert.equal(output, 'synced pendabc')
  const told = calls
    .filter(({ call }) => call !== 'close')
    .map(({ call, path, isBegin, data }) => `${call}${isBegin ? ' begins' : ''} ${path} ${data ?? ''}`.trim())
  assert.deepEqual(told, [
    'makeFolder /a',
    'open /a/new',
    'write /a/new synced',
    'sync begins /a/new',
    'sync /a/new',
    'open /ACK',
    'write /ACK told',
    'write /a/new pending!',
    'dataSync begins /a/new',
    'dataSync /a/new',
    'rename /a/new',
    'dataSync begins /a/new',
    'dataSync /a/new',
    'truncate /a/new',
    'write /a/new abc',
    'open /a/gone',
    'write /a/gone',
    'unlink /a/gone',
    'open /a/old',
  ])
  assert.deepEqual(count, { calls: 13, hits: 0, last: { call: 'unlink', path: '/a/gone' }, hit: undefined })
  assert.equal(differenceTo(diskOf(calls).state, root, isStatements), undefined)
})

test('a call that the trace has missed is noticed', { skip }, async () => {
  const { calls, root } = await run({})

  const without = (kind: string, path: string) => calls.filter(({ call, path: of }) => call !== kind || of !== path)

  assert.match(differenceTo(diskOf(without('truncate', '/a/new')).state, root, isStatements) ?? '', /\/a\/old differs/)
  assert.match(differenceTo(diskOf(without('unlink', '/a/gone')).state, root, isStatements) ?? '', /gone is not there/)
})

/** By their numbers: a write, a sync, a rename, an unlink. */
const WRITE = 2
const SYNC = 5
const RENAME = 6
const UNLINK = 12

for (const fault of ['EIO', 'ENOSPC', 'kill', 'kill-after', 'short', 'lie', 'drop'] as const) {
  test(`the fault ${fault} befalls the first call that it can befall, and none else`, { skip }, async () => {
    const { calls: plain } = await run({})
    for (const at of [WRITE, SYNC, RENAME, UNLINK]) {
      const { count, signal, errors, calls } = await run({ fault, at })
      const hit = plain.find(({ index, call }) => index !== undefined && index >= at && mayBefall(fault, call))?.index
      assert.equal(count.hits, hit === undefined ? 0 : 1, `call ${at}`)
      assert.equal(signal, fault.startsWith('kill') ? 'SIGKILL' : null, `call ${at}: ${errors}`)
      if (fault.startsWith('kill')) assert.equal(count.calls, at + 1, 'the count outlives the process')
      const isError = !['kill', 'kill-after', 'lie'].includes(fault) && (fault !== 'short' || at !== WRITE)
      const failed = calls.filter(({ isInjected, error }) => isInjected && error !== 0).map(({ index }) => index)
      assert.deepEqual(failed, isError && hit !== undefined ? [hit] : [], `call ${at}`)
    }
  })
}

function mayBefall(fault: ShimFault, call: ShimCall): boolean {
  if (fault === 'lie' || fault === 'drop') return call === 'sync' || call === 'dataSync'
  return fault !== 'ENOSPC' || call !== 'unlink'
}

test('a sync that drops what it should keep fails once, and later ones succeed on what is left', { skip }, async () => {
  const { output, count } = await run({ fault: 'drop', at: 5 })

  // Of "pending!" nothing is there: six bytes are those of before, and two were never on the disk.
  assert.equal(output, 'EIO syncabc')
  assert.deepEqual(count.hit, { call: 'dataSync', path: '/a/new' })
})

test('a short write takes half, and a program that goes on writes all', { skip }, async () => {
  const { calls, root } = await run({ fault: 'short', at: 11 })

  assert.deepEqual(
    calls.filter(({ call, path }) => call === 'write' && path === '/a/gone').map(({ length }) => length),
    [2500, 2500],
  )
  assert.equal(differenceTo(diskOf(calls).state, root, isStatements), undefined)
})

test('a sticky fault stays, and match says whom it befalls', { skip }, async () => {
  const { count, calls } = await run({ fault: 'lie', sticky: true, match: '/new' })

  assert.equal(count.hits, 3)
  const disk = diskOf(calls)
  assert.ok(disk.pending().length > 0, 'a sync that lies makes nothing durable')
  assert.equal(calls.filter(({ isLied }) => isLied).length, 3)
})

test('unsynced, the kernel is not asked to sync, and all else is as ever', { skip }, async () => {
  const [plain, unsynced] = [await run({}), await run({ unsynced: true })]
  const told = ({ calls }: Run) => calls.map(({ call, path, index }) => ({ call, path, index }))
  assert.deepEqual(told(unsynced), told(plain))
  assert.equal(unsynced.output, plain.output)

  // A pipe cannot be synced, which the kernel says if it is asked.
  const program = `
    const { execFileSync } = require('node:child_process')
    const fs = require('node:fs')
    const pipe = process.argv[1] + '/pipe'
    execFileSync('mkfifo', [pipe])
    try { fs.fsyncSync(fs.openSync(pipe, 'r+')), console.log('synced') } catch (error) { console.log(error.code) }`
  assert.equal((await run({}, program)).output, 'EINVAL')
  assert.equal((await run({ unsynced: true }, program)).output, 'synced')
  // What befalls a sync befalls it still.
  assert.equal((await run({ unsynced: true, fault: 'EIO', match: '/pipe' }, program)).output, 'EIO')
})

test('LevelDB, which writes by streams of C, is seen whole', { skip }, async () => {
  const program = `
    const { ClassicLevel } = require('classic-level')
    const db = new ClassicLevel(process.argv[1] + '/db', { writeBufferSize: 65536 })
    const put = async () => {
      for (let n = 0; n < 40; n++) await db.put('key' + n, 'x'.repeat(5000), { sync: true })
      await db.close()
    }
    put()
  `
  const { calls, root, errors } = await run({}, program)

  assert.equal(errors, '')
  const syncs = calls.filter(({ call, path, isBegin }) => call === 'dataSync' && isBegin && path.endsWith('.log'))
  assert.ok(syncs.length >= 40, `${syncs.length} syncs of LevelDB's log`)
  assert.ok(
    calls.some(({ call, path }) => call === 'write' && path.endsWith('.ldb')),
    'a table was written',
  )
  assert.equal(differenceTo(diskOf(calls).state, root, isStatements), undefined)
})

test('a sync covers what was done before it began, and nothing that came while it went on', () => {
  const disk = diskOf([
    call('open', { fd: 3, path: '/f', isCreated: true }),
    call('write', { fd: 3, data: Buffer.from('before'), length: 6 }),
    call('dataSync', { fd: 3, sync: 1, isBegin: true }),
    call('write', { fd: 3, data: Buffer.from('while'), length: 5, position: 6 }),
    call('dataSync', { fd: 3, sync: 1 }),
  ])

  assert.deepEqual(
    disk.pending().map(({ kind, seq }) => `${kind} ${seq > 3 ? 'while' : 'before'}`),
    ['link before', 'write while'],
  )
})

test('a name is durable with its folder; where names are safe, with the sync of its file and in order', () => {
  const calls = [
    call('open', { fd: 3, path: '/a', isCreated: true }),
    call('open', { fd: 4, path: '/b', isCreated: true }),
    call('sync', { fd: 4, sync: 1, isBegin: true }),
    call('sync', { fd: 4, sync: 1 }),
    call('rename', { path: '/b', to: '/c' }),
    call('unlink', { path: '/a' }),
  ]
  const names = (disk: TraceDisk, kept: readonly string[]) => {
    const plan = new Map(
      disk.pending().map(op => [op.seq, kept.includes(op.kind) ? ('all' as const) : ('none' as const)]),
    )
    const root = disk.crash(plan).find('/', 'list')
    return root?.kind === 'folder' ? [...root.seen.keys()] : []
  }
  const strict = diskOf(calls)
  const safe = new TraceDisk(new DiskState(), () => true)
  for (const each of calls) safe.apply(each)

  assert.deepEqual(names(strict, []), [])
  assert.deepEqual(names(safe, []), ['b'])
  assert.deepEqual(names(safe, ['link', 'rename']), ['a', 'c'])
  assert.deepEqual(names(safe, ['link', 'unlink']), ['b', 'a'], 'the unlink came after a rename that is lost')
  assert.deepEqual(names(safe, ['unlink']), ['b'])
})

test('the environment turns io_uring off, whose calls nobody would see', { skip }, async () => {
  assert.ok(shim.notRun === undefined)
  const root = await freshFolder()
  mkdirSync(root)

  assert.equal(shim.env({ root }).UV_USE_IO_URING, '0')
})

function call(kind: TraceCall['call'], fields: Partial<TraceCall>): TraceCall {
  return {
    call: kind,
    path: '',
    to: '',
    fd: -1,
    error: 0,
    position: 0,
    length: 0,
    data: undefined,
    index: undefined,
    sync: 0,
    isBegin: false,
    isFolder: false,
    isCreated: false,
    isTruncated: false,
    isInjected: false,
    isLied: false,
    ...fields,
  }
}
