// Real runs of an agent, kept as conversations by processes that are killed.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { readRuns } from '../../demo/input.js'
import { AgentMemory } from '../../src/index.js'
import { freshFolder } from '../api/temporary-folder.js'
import { killedLife } from './killed-life.js'
import type { TracesReport } from './traces-child.js'

const TRACES = fileURLToPath(new URL('../../../../shared/data/agent-traces.json', import.meta.url))
const KILLS = [1000, 2500, 4200]
const MAX_LOSS_WRITES = 300
/** A message, its id, and the head of its conversation. */
const WRITES_PER_MESSAGE = 3

test('recorded runs are kept as conversations through three kills, whole and as they were', {
  skip: !existsSync(TRACES) && 'the traces are not here',
}, async () => {
  const folder = await freshFolder()
  const runs = readRuns(TRACES)
  let acknowledged = 0
  for (const kill of [...KILLS, Number.POSITIVE_INFINITY]) {
    const args = [folder, TRACES, `${MAX_LOSS_WRITES}`]
    const { reports, wasKilled } = await killedLife<TracesReport>(
      'traces-child',
      args,
      report => (report.acknowledged ?? 0) >= kill,
    )
    const lost = acknowledged - reports[0]!.found!
    // One may have been kept whose answer the kill has cut off.
    assert.ok(lost >= -1 && lost <= MAX_LOSS_WRITES / WRITES_PER_MESSAGE, `${lost} acknowledged messages are lost`)
    assert.equal(wasKilled, kill !== Number.POSITIVE_INFINITY)
    assert.ok(reports.some(({ reached }) => reached === 'tier'))
    acknowledged = reports.at(-1)!.acknowledged!
  }

  const memory = await AgentMemory.open(folder)
  const conversations = memory.conversations({ keepLast: null })
  for (const { id, messages } of runs) {
    const history = await conversations.history(id, 1000)
    assert.equal(canonical(history.map(({ message }) => message)), canonical(messages), id)
  }
  assert.equal((await conversations.list({ limit: 1000 })).length, runs.length)
  await memory.close()
})

/** JSON with the properties of every object in order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  )
}
