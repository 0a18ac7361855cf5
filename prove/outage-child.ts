/**
 * A process that writes to a memory over Postgres, in lanes of each durability, and says every few ms how far each lane
 * was acknowledged. A line on its input ends the writing: it drains, says how long that took, and closes.
 */
import { once } from 'node:events'
import { AgentMemory, type AgentMemoryError, type Durability } from '../src/index.js'
import { LANES, type OutageReport, SLOTS } from './outage-lanes.js'

const REPORT_MS = 20
const [url, folder] = process.argv.slice(2) as [string, string]

const memory = await AgentMemory.open(url, { folder, storeDeadlineMs: 1000 })
const map = memory.map<number>('lanes')
const acknowledged = LANES.map(() => 0)
let behind = 0
let isWriting = true

const lanes = LANES.map((durability, lane) => write(durability, lane))
const timer = setInterval(report, REPORT_MS)
say({ kind: 'open' })
await once(process.stdin, 'data')
isWriting = false
await Promise.all(lanes)
const entries = memory.status().pending.entries
const started = performance.now()
await drained()
const ms = performance.now() - started
clearInterval(timer)
report()
await memory.close()
say({ kind: 'drained', entries, ms })
process.exit(0)

async function write(durability: Durability, lane: number): Promise<void> {
  for (let index = 1; isWriting; index++) {
    try {
      await map.set([`${lane}`, `${index % SLOTS}`], index, { durability })
      acknowledged[lane] = index
    } catch (error) {
      // It is in the log, and is not acknowledged as what it asked for.
      if ((error as AgentMemoryError).code !== 'STORE_BEHIND') throw error
      behind += 1
    }
    // What is acknowledged at once leaves no turn to anybody.
    if (durability === 'write-back') await new Promise(resolve => setImmediate(resolve))
  }
}

/** Until the store has everything: it is tried again for as long as the store is down. */
async function drained(): Promise<void> {
  for (;;) {
    try {
      await memory.checkpoint()
      return
    } catch (error) {
      if ((error as AgentMemoryError).code !== 'STORE_DOWN') throw error
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }
}

function report(): void {
  say({ kind: 'acknowledged', acknowledged, behind })
}

function say(line: OutageReport): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}
