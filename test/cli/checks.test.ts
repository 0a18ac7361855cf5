// What the doctor makes of what it has measured: no disk is asked here.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FileSystemFacts, meaningOf, mountOf } from '../../src/cli/disk/file-system-kind.js'
import { type Check, checkKills, checkSpace, checkSync, EXIT_CODE_OF, verdictOf } from '../../src/cli/doctor/checks.js'
import { durationText, table, wrapped } from '../../src/cli/output.js'
import { spreadOf } from '../../src/cli/statistics.js'

const FACTS: FileSystemFacts = {
  kind: 'ext4',
  mountPoint: '/',
  source: '/dev/sda1',
  mountOptions: ['rw'],
  bytesFree: 2 ** 40,
  bytesTotal: 2 ** 41,
  filesFree: 1_000_000,
}

const MOUNTS = `22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
30 27 0:25 / /srv rw - xfs /dev/vdb rw
31 27 0:26 / /srv/a\\040folder ro,nosuid - tmpfs tmpfs rw,size=4k
32 27 0:27 / /srv rw - nfs4 server:/export rw,vers=4.2
`

test('the mount of a path is the innermost one, and of several at one place the last', () => {
  assert.equal(mountOf(MOUNTS, '/home/agent')?.source, '/dev/vda')
  assert.equal(mountOf(MOUNTS, '/srv')?.kind, 'nfs4')
  assert.equal(mountOf(MOUNTS, '/srvx')?.kind, 'ext4')
  assert.deepEqual(mountOf(MOUNTS, '/srv/a folder/memory'), {
    mountPoint: '/srv/a folder',
    kind: 'tmpfs',
    source: 'tmpfs',
    options: ['ro', 'nosuid', 'rw', 'size=4k'],
  })
  assert.equal(mountOf('', '/home'), undefined)
})

test('each kind of file system is told with what may become of a memory there', () => {
  const expected: [kind: string, options: string[], risk: string, text: RegExp][] = [
    ['ext4', [], 'none', /keeps what was synced/],
    ['zfs', [], 'none', /durability\.md/],
    ['unknown', [], 'none', /cannot be told/],
    ['tmpfs', [], 'volatile', /in RAM: a power cut .* loses all of it/],
    ['overlay', [], 'volatile', /goes with the container$/],
    ['overlay', ['volatile'], 'volatile', /syncs do nothing/],
    ['nfs4', [], 'other', /another machine/],
    ['fuse.sshfs', [], 'other', /as good as they make it/],
    ['vfat', [], 'other', /no journal/],
    ['ext4', ['nobarrier'], 'other', /without barriers/],
  ]
  for (const [kind, mountOptions, risk, text] of expected) {
    const meaning = meaningOf({ kind, mountOptions })
    assert.equal(meaning.risk, risk, kind)
    assert.match(meaning.text, text)
  }
})

test('room is enough, little, or too little', () => {
  const levelOf = (facts: Partial<FileSystemFacts>) => checkSpace({ ...FACTS, ...facts }).level
  assert.equal(levelOf({}), 'ok')
  assert.equal(levelOf({ filesFree: undefined }), 'ok')
  assert.equal(levelOf({ bytesFree: 500 << 20 }), 'warning')
  assert.equal(levelOf({ bytesFree: 10 << 20 }), 'problem')
  assert.equal(levelOf({ filesFree: 3 }), 'problem')
})

test('a sync that is too fast for a disk, or none at all, is not trusted', () => {
  const at = (us: number) => spreadOf(Array.from({ length: 300 }, () => us))
  assert.equal(checkSync(at(150), FACTS, false).level, 'ok')
  assert.equal(checkSync(at(4), FACTS, false).level, 'warning')
  assert.match(checkSync(at(4), FACTS, false).text, /too fast for a disk/)
  assert.equal(checkSync(at(4), { ...FACTS, kind: 'tmpfs' }, false).level, 'ok')
  assert.match(checkSync(at(50_000), FACTS, false).text, /slow: .* waits that long/)
  assert.equal(checkSync(at(150), FACTS, true).level, 'problem')
  assert.equal(checkSync(at(150), { ...FACTS, kind: 'overlay', mountOptions: ['volatile'] }, false).level, 'problem')
})

test('kills that came before anything was acknowledged have shown nothing, and say so', () => {
  const tally = { acknowledged: 5, lost: 0 }
  const durabilities = { 'write-back': tally, 'write-ahead': tally, 'write-through': tally }
  const report = {
    lives: 3,
    killedOpening: 1,
    durabilities,
    bound: { ms: 1, writes: 9, bytes: 9 },
    lostAtOnceMax: 0,
    broken: [],
  }
  const none = { acknowledged: 0, lost: 0 }
  assert.equal(checkKills(report).level, 'ok')
  assert.match(checkKills(report).text, /^3 processes killed, 1 of them while opening: 0 of 10 acknowledged/)
  assert.equal(checkKills({ ...report, durabilities: { ...durabilities, 'write-through': none } }).level, 'warning')
  assert.equal(checkKills({ ...report, broken: ['write 1 is gone'] }).level, 'problem')
})

test('the verdict is that of the worst check, and decides the exit code', () => {
  const check = (level: Check['level'], text: string): Check => ({ name: 'write', level, text })
  const verdictFor = (...checks: Check[]) => {
    const { level, text } = verdictOf(checks)
    return [EXIT_CODE_OF[level], text]
  }
  assert.deepEqual(verdictFor(check('ok', 'a')), [0, 'Fit: every promise that can be tried out here was kept.'])
  assert.deepEqual(verdictFor(check('warning', 'a'), check('ok', 'b')), [5, 'Works, but beware: a.'])
  assert.deepEqual(verdictFor(check('warning', 'a'), check('problem', 'b'), check('problem', 'c')), [1, 'Not fit: b.'])
})

test('figures are told as they are, to three digits', () => {
  const spread = spreadOf([...Array.from({ length: 98 }, (_, index) => index + 1), 500.4, 12_345])
  assert.deepEqual(spread, { count: 100, median: 50, p99: 500, min: 1, max: 12_300 })
  assert.throws(() => spreadOf([]), RangeError)
  assert.deepEqual([150, 1234.5, 2_500_000].map(durationText), ['150 µs', '1.23 ms', '2.5 s'])
})

test('tables and texts keep their columns', () => {
  assert.equal(table(['a', 'bb'], [['long', '1']], [1]), 'a     bb\n----  --\nlong   1')
  assert.equal(wrapped('one two three', 9, 2), 'one two\n  three')
})
