/**
 * A process that writes to a memory over Postgres, in lanes of each durability, and says every few ms how far each lane
 * was acknowledged. `phase` on its input asks for the figures since the last ask; `end` ends the writing: it drains, says
 * how long that took, and closes.
 */
import { createInterface } from 'node:readline'
import { AgentMemory, type AgentMemoryError, type Durability, type UnsettledWriteError } from '../src/index.js'
import { Drain } from './outage-drain.js'
import { lanesOf, MAX_LOSS, type OutageReport, type Phase, SLOTS, type Tally, textOfWrite } from './outage-lanes.js'
import { Times } from './outage-times.js'

const REPORT_MS = 20
/** Write-back is acknowledged at once: a writer that did nothing else would leave no turn to anybody. */
const WRITE_BACK_PAUSE_MS = 4
const STORE_READ_PAUSE_MS = 50
/** So often a writer reads what it has just written. */
const READ_EVERY = 16

const [url, folder, writers, deadlineMs] = process.argv.slice(2) as [string, string, string, string]
const lanes = lanesOf(Number(writers))
const memory = await AgentMemory.open(url, { folder, maxLoss: MAX_LOSS, storeDeadlineMs: Number(deadlineMs) })
const map = memory.map<string>('lanes')
const drain = new Drain(memory)
const times = newTimes()
const tally: Tally = {
  acknowledged: lanes.map(() => ({ index: 0, lsn: 0 })),
  stored: 0,
  behind: 0,
  kept: 0,
  notKept: 0,
  storeReads: 0,
  storeReadsRefused: 0,
  wrongReads: 0,
  overrunMs: 0,
}
let isWriting = true

memory.on('overrun', ({ ms }) => {
  tally.overrunMs = Math.max(tally.overrunMs, ms)
})
const work = [...lanes.map(write), readFromStore()]
const timer = setInterval(() => say({ kind: 'tally', tally }), REPORT_MS)
say({ kind: 'open' })
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'end') break
  say({ kind: 'phase', phase: takePhase() })
}
isWriting = false
await Promise.all(work)
const drained = await drain.finish()
// Whoever waits for a fate is told in the turns that follow.
while (tally.kept + tally.notKept < tally.behind) await pause(REPORT_MS)
clearInterval(timer)
say({ kind: 'drained', drained, tally })
await memory.close()
process.exit(0)

async function write(durability: Durability, lane: number): Promise<void> {
  for (let index = 1; isWriting; index++) {
    const key = [`${lane}`, `${index % SLOTS}`]
    const started = performance.now()
    try {
      const { lsn } = await map.set(key, textOfWrite(index), { durability })
      times[durability].add(performance.now() - started)
      if (durability === 'write-through') tally.stored += 1
      tally.acknowledged[lane] = { index, lsn }
    } catch (error) {
      // It is in the log, which is what the error promises, and is not acknowledged as what it asked for.
      if ((error as AgentMemoryError).code !== 'STORE_BEHIND') throw error
      const { lsn } = error as UnsettledWriteError
      tally.behind += 1
      tally.acknowledged[lane] = { index, lsn }
      void settle(error as UnsettledWriteError)
    }
    if (index % READ_EVERY === 0 && (await map.get(key)) !== textOfWrite(index)) tally.wrongReads += 1
    if (durability === 'write-back') await pause(WRITE_BACK_PAUSE_MS)
  }
}

async function settle(error: UnsettledWriteError): Promise<void> {
  const fate = await error.settled().catch(() => 'lost')
  if (fate === 'kept') tally.kept += 1
  else tally.notKept += 1
}

/** Of keys that nobody has written: only the store can say so. */
async function readFromStore(): Promise<void> {
  for (let number = 0; isWriting; number++) {
    try {
      await map.get(['nobody', `${number}`])
      tally.storeReads += 1
    } catch (error) {
      if ((error as AgentMemoryError).code !== 'STORE_DOWN') throw error
      tally.storeReadsRefused += 1
    }
    await pause(STORE_READ_PAUSE_MS)
  }
}

function takePhase(): Phase {
  return {
    'write-back': times['write-back'].take(),
    'write-ahead': times['write-ahead'].take(),
    'write-through': times['write-through'].take(),
  }
}

function newTimes(): Record<Durability, Times> {
  return { 'write-back': new Times(), 'write-ahead': new Times(), 'write-through': new Times() }
}

function say(line: OutageReport): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
