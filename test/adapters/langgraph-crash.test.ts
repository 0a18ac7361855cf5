// A process that runs a graph is killed again and again: what it was told is there is there, and the graph goes on.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { HoldfastSaver } from '../../src/adapters/langgraph/index.js'
import { freshFolder } from '../api/temporary-folder.js'
import { askingGraph, CONFIG } from './langgraph-child.js'

const CHILD = fileURLToPath(new URL('langgraph-child.js', import.meta.url))
const KILLS = 3
/** Lines after which a process is killed: it is at work on what comes behind the last one. */
const LINES = 5

/** The last line that a process has told before it was killed. */
async function killed(folder: string): Promise<string> {
  const child = spawn(process.execPath, [CHILD, folder], { stdio: ['ignore', 'pipe', 'inherit'] })
  const told: string[] = []
  for await (const line of createInterface(child.stdout)) {
    told.push(line)
    if (told.length === LINES) child.kill('SIGKILL')
  }
  assert.ok(told.length >= LINES, `only ${told.join(', ')}`)
  return told.at(-1)!
}

test('a graph whose process is killed goes on from what it was told, with interrupts', async () => {
  const folder = await freshFolder()
  let turnsBefore = 0
  for (let kill = 0; kill < KILLS; kill++) {
    const [what, number] = (await killed(folder)).split(' ')
    const turn = Number(number)
    assert.ok(turn >= turnsBefore, `turn ${turn} after ${turnsBefore}`)
    turnsBefore = turn
    const saver = HoldfastSaver.from(folder)
    const state = await askingGraph(saver).getState(CONFIG)
    const texts = (state.values.messages as { content: string }[]).map(message => message.content)
    assert.ok(
      texts.length >= 2 * turn + (what === 'answered' ? 2 : 1),
      `${texts.length} messages after ${what} ${turn}`,
    )
    for (const [index, text] of texts.entries()) {
      assert.equal(text, index % 2 === 0 ? `${index} ${'a'.repeat(300)}` : `yes ${'b'.repeat(300)}`)
    }
    if (texts.length % 2 === 1) assert.deepEqual(state.next, ['answer'])
    await saver.close()
  }
})
