// The command on memories that are well, and wrong usage of it.
import assert from 'node:assert/strict'
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { command, contentOf, framesOf, hashesOf, jsonOf, kill, makeMemory, newPath, startOwner } from './helpers.js'

test('a memory that was closed is well, and looking at it changes no file', async t => {
  const folder = newPath(t)
  await makeMemory(folder, { first: 1, last: 20, ending: 'close' })
  const before = hashesOf(folder)

  const status = await jsonOf('status', folder)
  const verify = await jsonOf('verify', folder)
  const repair = await jsonOf('repair', folder)

  assert.deepEqual([status.code, verify.code, repair.code], [0, 0, 0])
  assert.equal(status.json.owner.isOpen, false)
  assert.equal(status.json.store.appliedLsn, 20)
  assert.equal(status.json.log.recordsBehind, 0)
  assert.equal(status.json.log.cleanClose, true)
  assert.equal(status.json.log.firstLsn, 1)
  assert.equal(status.json.log.lastLsn, 20)
  assert.deepEqual(verify.json.problems, [])
  assert.equal(verify.json.store.entries, 20)
  assert.deepEqual(repair.json.losses, [])
  assert.deepEqual(hashesOf(folder), before)
})

test('after a kill, status says how much the store lacks, and verify finds no problem', async t => {
  const folder = newPath(t)
  await makeMemory(folder, { first: 1, last: 20, ending: 'hold', checkpointAt: 12 })
  const before = hashesOf(folder)

  const status = await jsonOf('status', folder)
  const verify = await command('verify', folder)

  assert.equal(status.json.owner.isOpen, false)
  assert.equal(status.json.store.appliedLsn, 12)
  assert.equal(status.json.log.recordsBehind, 8)
  assert.equal(status.json.log.cleanClose, false)
  assert.equal(verify.code, 0)
  assert.match(verify.stdout, /No problems\./)
  assert.deepEqual(hashesOf(folder), before)
})

test('a torn tail is told, and is no problem', async t => {
  const folder = newPath(t)
  await makeMemory(folder, { first: 1, last: 3, ending: 'hold' })
  const last = framesOf(folder).at(-1)!
  // The second sector of a frame whose first one never reached the disk.
  writeAt(last.path, last.offset + 4096 + 512, Buffer.alloc(512, 7))

  const status = await jsonOf('status', folder)
  const verify = await command('verify', folder)

  assert.equal(status.json.log.tornBytes, 1024)
  assert.equal(verify.code, 0)
  assert.match(verify.stdout, /1 KiB was cut short: no problem/)
})

test('while another process has the memory open, status reads what it may, and the others refuse', async t => {
  const folder = newPath(t)
  const owner = await startOwner(folder, { first: 1, last: 20, ending: 'hold', checkpointAt: 12 })
  t.after(() => kill(owner))

  const status = await jsonOf('status', folder)
  const text = await command('status', folder)
  const verify = await jsonOf('verify', folder)
  const repair = await command('repair', folder, '--to', newPath(t, 'copy'), '--yes')

  assert.equal(status.code, 0)
  assert.equal(status.json.owner.isOpen, true)
  assert.equal(status.json.owner.pid, owner.pid)
  assert.equal(status.json.log.lastLsn, 20)
  assert.match(status.json.store.unread ?? '', /its owner has it open/)
  assert.match(text.stdout, /open now; by process/)
  assert.equal(verify.code, 4)
  assert.equal(verify.json.error?.code, 'OWNED_ELSEWHERE')
  assert.equal(repair.code, 4)
  assert.match(repair.stderr, new RegExp(`^OWNED_ELSEWHERE: .*process ${owner.pid}`))
})

test('status of an owner that is writing never calls it damaged', async t => {
  const folder = newPath(t)
  let isDone = false
  const owner = startOwner(folder, { first: 1, last: 3000, pad: 9000, ending: 'hold' }).then(child => {
    isDone = true
    return child
  })
  t.after(async () => kill(await owner))
  for (let looks = 0; looks < 3 || (!isDone && looks < 100); looks++) {
    const { code, json } = await jsonOf('status', folder)
    // The very first looks may come before there is a memory.
    if (code === 0) assert.deepEqual(json.log.damage, [])
    else assert.equal(json.error?.code, 'NOT_A_MEMORY')
  }
})

test('a folder that is not a memory is refused, and nothing is made in it', async t => {
  const folder = newPath(t)
  mkdirSync(folder)
  writeFileSync(join(folder, 'notes.txt'), 'mine')
  for (const name of ['status', 'verify', 'repair']) {
    const { code, stderr, stdout } = await command(name, folder)
    assert.equal(code, 3)
    assert.equal(stdout, '')
    assert.match(stderr, /^NOT_A_MEMORY: .*\. Give the folder/)
    assert.equal((await jsonOf(name, join(folder, 'nowhere'))).json.error?.code, 'NOT_A_MEMORY')
    assert.equal((await jsonOf(name, join(folder, 'notes.txt'))).json.error?.code, 'NOT_A_MEMORY')
  }
  assert.deepEqual(Object.keys(hashesOf(folder)), ['notes.txt'])
})

test('a memory of a newer format is refused as such', async t => {
  const folder = newPath(t)
  mkdirSync(folder)
  writeFileSync(join(folder, 'holdfast.json'), JSON.stringify({ holdfast: 'memory', format: 99 }))
  for (const name of ['status', 'verify', 'repair']) {
    const { code, json } = await jsonOf(name, folder)
    assert.equal(code, 3)
    assert.equal(json.error?.code, 'FORMAT_TOO_NEW')
  }
})

test('wrong usage ends with 2 and one line of what is wrong', async t => {
  const folder = newPath(t)
  await makeMemory(folder, { first: 1, last: 1, ending: 'close' })
  const wrong: [string[], RegExp][] = [
    [[], /^INVALID_ARGUMENT: no command was given\. See/],
    [['frobnicate', folder], /^INVALID_ARGUMENT: unknown command 'frobnicate'/],
    [['verify'], /^INVALID_ARGUMENT: missing required argument 'location'/],
    [['verify', folder, '--fast'], /^UNKNOWN_OPTION: unknown option '--fast'/],
    [['verify', folder, 'more'], /^INVALID_ARGUMENT: too many arguments/],
    [['repair', folder, '--yes'], /^INVALID_ARGUMENT: --yes was given without --to/],
    [['repair', folder, '--to', folder], /^INVALID_ARGUMENT: The copy cannot go to/],
    [['repair', folder, '--to', join(folder, 'copy')], /^INVALID_ARGUMENT: The copy cannot go to/],
  ]
  for (const [args, expected] of wrong) {
    const { code, stdout, stderr } = await command(...args)
    assert.equal(code, 2, args.join(' '))
    assert.equal(stdout, '')
    assert.match(stderr, expected)
    assert.equal(stderr.trim().split('\n').length, 1)
  }
  const { code, json } = await jsonOf('frobnicate')
  assert.equal(code, 2)
  assert.equal(json.error?.code, 'INVALID_ARGUMENT')
  assert.equal((await contentOf(folder)).size, 1)
})

test('help names the commands and the exit codes', async () => {
  const { code, stdout } = await command('--help')
  assert.equal(code, 0)
  for (const word of ['status', 'verify', 'repair', 'doctor', 'bench', 'Exit codes'])
    assert.ok(stdout.includes(word), word)
  assert.match((await command('repair', '--help')).stdout, /--to <location>[\s\S]*Exit codes/)
})

function writeAt(path: string, offset: number, bytes: Buffer): void {
  const fd = openSync(path, 'r+')
  try {
    writeSync(fd, bytes, 0, bytes.length, offset)
  } finally {
    closeSync(fd)
  }
}
