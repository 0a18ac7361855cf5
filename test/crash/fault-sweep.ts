/** A small program whose file calls fail, one by one. */
import assert from 'node:assert/strict'
import { listen } from '../../prove/acceptance.js'
import { contentOf } from '../../prove/content.js'
import { type Content, History, judge } from '../../prove/history.js'
import { turns } from '../../prove/lab-clock.js'
import { BOUNDS, DURABILITIES, MAX_LOSS, modelWrite, placesOf } from '../../prove/shape.js'
import { type AgentMemory, AgentMemoryError, type AgentMemoryOptions } from '../../src/index.js'
import type { DiskCall, Fault } from '../../src/testing/disk-faults.js'
import { Laboratory, noUnhandledRejection } from './laboratory.js'

const OPTIONS: AgentMemoryOptions = { maxLoss: MAX_LOSS, storeDeadlineMs: 2000, pendingEntriesMax: 200 }

/** Each file call of the program fails, or each that is followed by others that do as well. Returns how many there are. */
export async function sweepCalls(error: 'EIO' | 'ENOSPC' | 'short', sticky: boolean): Promise<number> {
  // Up to the one that fails, they are the same as when nothing does.
  const calls = await callsOfTheProgram()
  for (const call of calls) if (sticky || !deceives(call)) await sweep({ at: call.index, error, sticky })
  await noUnhandledRejection()
  return calls.length
}

/**
 * A sync that fails once, and says later that all is well though nothing was written. For frames that is tested, and
 * mended. The store of this laboratory believes it, as its file is its own matter. Of names no file system does it: one
 * that cannot write its journal is read-only from then on.
 */
function deceives({ kind, path }: DiskCall): boolean {
  return kind === 'syncFolder' || (/sync/i.test(kind) && path.includes('/store'))
}

async function sweep(fault: Fault): Promise<void> {
  const what = `the call ${String(fault.at)} fails ${fault.sticky ? 'for good' : 'once'} with ${fault.error}`
  try {
    const lab = new Laboratory()
    lab.disk.faults.add(fault)
    const history = new History(BOUNDS)
    await lab.until(program(lab, history), 300)
    const moment = history.moment()
    lab.disk.faults.clear()
    // The machine goes down, and comes back with a disk that works.
    const cut = lab.powerCut()
    const memory = await cut.until(cut.open(OPTIONS))
    const content: Content = await contentOf(memory)
    assert.equal(judge(history, moment, content).broken, undefined)
    assert.ok(memory.status().lsn.accepted >= moment.lastLsn, 'an LSN would be handed out twice')
    await cut.until(memory.close())
    await noUnhandledRejection()
  } catch (error) {
    throw new Error(what, { cause: error })
  }
}

/** Writes in every way, closes, opens again, and goes on; tries to reopen whenever the log has failed. */
async function program(lab: Laboratory, history: History): Promise<void> {
  for (let life = 0; life < 2; life++) {
    const memory = await attempt(() => lab.open(OPTIONS))
    if (memory === undefined) continue
    history.opened(memory.status().lsn.accepted)
    listen(memory, { took: accepted => history.took(accepted), passed: lsn => history.passed(lsn) })
    await turns(2)
    for (let step = 0; step < 6; step++) {
      await write(memory, history, life * 100 + step)
      if (step === 2) await attempt(async () => history.promised(await memory.checkpoint()))
      if (memory.status().state === 'failed') await attempt(() => memory.reopen())
    }
    await attempt(async () => history.promised(await memory.flush()))
    await attempt(() => memory.close({ deadlineMs: 5000 }))
  }
}

/** One write of each durability and a batch, all in flight at once. */
async function write(memory: AgentMemory, history: History, serial: number): Promise<void> {
  const places = placesOf(memory)
  const answers = DURABILITIES.map((durability, index) => {
    const place = places[(serial + index) % places.length]!
    const value = `${serial}-${index}:${'x'.repeat(serial % 3 === 0 ? 4000 : 10)}`
    return issue(history, [modelWrite(place, `k${index}`, value)], () =>
      place.map.set(`k${index}`, value, { durability }),
    )
  })
  const [a, b] = [places[0]!, places[1]!]
  const writes = [
    modelWrite(a, 'both', `${serial}`),
    modelWrite(b, 'both', `${serial}`),
    modelWrite(a, 'k0', undefined),
  ]
  answers.push(
    issue(history, writes, () =>
      memory.batch(batch => {
        batch.set(a.map, 'both', `${serial}`).set(b.map, 'both', `${serial}`).delete(a.map, 'k0')
      }),
    ),
  )
  await Promise.all(answers)
}

async function issue(
  history: History,
  writes: Parameters<History['issue']>[0],
  run: () => Promise<{ lsn: number; reached: 'tier' | 'log' | 'store' }>,
): Promise<void> {
  const call = history.issue(writes)
  const result = await attempt(run)
  if (result === undefined) history.refused(call)
  else history.acknowledged(call, result.reached, result.lsn)
}

/** `undefined` if it fails as an operation may: with an error of ours that says what to do. */
async function attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof AgentMemoryError && error.code !== undefined && error.next !== '') return undefined
    throw error
  }
}

async function callsOfTheProgram(): Promise<DiskCall[]> {
  const lab = new Laboratory()
  const found: DiskCall[] = []
  lab.disk.onCall = call => found.push(call)
  await lab.until(program(lab, new History(BOUNDS)))
  return found
}
