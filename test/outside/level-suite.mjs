// Runs the suite of abstract-level on HoldfastLevel and prints its TAP, then one line of JSON: what ran, and what did not
// because the adapter does not claim it. `node level-suite.mjs DOOR DURABILITY`: the door is the compiled adapter's URL.
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tape from 'tape'

const [door, durability] = process.argv.slice(2)
const { HoldfastLevel } = await import(door)
const { AgentMemory } = await import(new URL('../../index.js', door).href)
// The adapter extends the abstract-level that it finds, so the suite has to be that one's.
const require = createRequire(door)
const { AbstractLevel } = require('abstract-level')
const suite = require('abstract-level/test')

const folder = mkdtempSync(join(tmpdir(), 'holdfast-level-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
// A tier without room: what is in the log or in the store is read from there.
const memory = await AgentMemory.open(folder, { durability, tierBytesMax: 0 })

let databases = 0
let tests = 0
suite({
  test(name, ...rest) {
    tests += 1
    tape(name, ...rest)
  },
  factory(options) {
    databases += 1
    return new HoldfastLevel(memory, { ...options, map: `level-${databases}` })
  },
})

tape.onFinish(async () => {
  console.log(JSON.stringify({ tests, databases, notClaimed: notClaimed(), closed: await memory.close() }))
})

/** How many tests the suite has beyond those that ran, for each feature that a database may claim and this one does not. */
function notClaimed() {
  // The encodings that its manifest lists beside this one are made of it; `snapshots` is an older name of a feature below.
  const { snapshots: _, ...claimed } = { ...new HoldfastLevel(memory).supports, encodings: { buffer: true } }
  const counts = {}
  const names = testNames(claimed)
  for (const feature of ['createIfMissing', 'errorIfExists', 'explicitSnapshots', 'getSync', 'implicitSnapshots']) {
    if (!claimed[feature]) counts[feature] = beyond(names, testNames({ ...claimed, [feature]: true }))
  }
  const signals = { iterators: true }
  if (!claimed.signals.iterators) counts.signals = beyond(names, testNames({ ...claimed, signals }))
  return counts
}

function testNames(manifest) {
  const names = []
  suite({ test: name => names.push(name), factory: options => new AbstractLevel(structuredClone(manifest), options) })
  return names
}

/** How many of `names` there are beyond those of `base`, each counted as often as it occurs. */
function beyond(base, names) {
  const left = [...base]
  return names.filter(name => {
    const index = left.indexOf(name)
    if (index !== -1) left.splice(index, 1)
    return index === -1
  }).length
}
