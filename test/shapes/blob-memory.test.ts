// A blob of any size takes the memory of a few chunks. 64 MiB here; a GiB with HOLDFAST_BLOB_MIB=1024 (CONTRIBUTING.md).
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { RssWatch } from '../../bench/rss.js'
import { freshFolder } from '../api/temporary-folder.js'
import type { MemoryReport } from './blob-memory-child.js'

const MIB = Number(process.env.HOLDFAST_BLOB_MIB ?? 64)
const RSS_MIB_MAX = 200

test(`${MIB} MiB go in and out, the same, in less than ${RSS_MIB_MAX} MiB of anonymous memory`, async t => {
  const folder = await freshFolder()
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('./blob-memory-child.js', import.meta.url)), folder, String(MIB)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  t.after(() => child.kill('SIGKILL'))
  const watch = new RssWatch()
  watch.start(child.pid!)
  const [output, [code]] = await Promise.all([text(child.stdout!), once(child, 'exit')])
  watch.stop()

  assert.equal(code, 0)
  const { put, read, expected } = JSON.parse(output) as MemoryReport
  assert.deepEqual([put.size, read.size], [MIB << 20, MIB << 20])
  assert.deepEqual([put.checksum, read.checksum], [expected, expected])
  // Only Linux tells anonymous memory apart.
  const peak = watch.peakMib()
  t.diagnostic(`put in ${Math.round(put.ms)} ms, read in ${Math.round(read.ms)} ms, peak ${peak?.toFixed(0)} MiB`)
  if (process.platform === 'linux') assert.ok(peak! < RSS_MIB_MAX, `${peak} MiB`)
})
