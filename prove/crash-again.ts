/** Crashes of a memory that is recovering, or has just recovered, from a crash. */
import type { AgentMemory } from '../src/index.js'
import { type Random, randomBelow } from '../src/testing/random.js'
import type { SimulatedDisk } from '../src/testing/simulated-disk.js'
import { removed } from './content.js'
import type { DiskStore } from './disk-stores.js'
import { type Content, History, judge } from './history.js'
import { turns } from './lab-clock.js'
import { guarded, openOn, recoverOn } from './recovered.js'
import { BOUNDS } from './shape.js'
import { Workload } from './workload.js'

export interface Again {
  /** What the first recovery has served. */
  content: Content
  /** Throws if it is not what may be there when the power is cut before that recovery has served anything. */
  judgeUnserved(content: Content): void
  store: DiskStore
  random: Random
}

/**
 * Cuts the power at a random call of a recovery that makes `calls` of them, twice in a row now and then, and recovers.
 * Returns how many recoveries were judged.
 */
export async function judgeAgain(disk: SimulatedDisk, calls: number, again: Again): Promise<number> {
  let crashed = disk
  for (let cut = 0; cut < 1 + randomBelow(again.random, 2); cut++) {
    const at = randomBelow(again.random, calls)
    crashed = await cutWithinRecovery(crashed, at, again)
  }
  const { content } = await guarded(recoverOn(crashed, again.store), 'recovery after a crash of recovery')
  again.judgeUnserved(content)
  crashed.powerOff()
  return 1
}

/**
 * Cuts the power after a recovery: what it has served must be there. Then writes more, cuts it again, and judges: what
 * the first recovery had served and what was promised since must be there.
 */
export async function judgeNewWrites(memory: AgentMemory, disk: SimulatedDisk, again: Again): Promise<number> {
  const served = disk.crash(again.random, { kind: 'nothing' })
  const { content } = await guarded(recoverOn(served, again.store), 'recovery after a recovery')
  expectSame(content, again.content, 'a power cut after its recovery')
  served.powerOff()

  await guarded(
    removed(memory, () => turns(1)),
    'the removal of what blobs have left',
  )
  // Nothing but the gap that recovery leaves between the LSNs stands between the store and all that was served.
  if (again.random() < 0.5) await guarded(memory.checkpoint(), 'a checkpoint after recovery')
  const history = new History(BOUNDS, again.content, memory.status().lsn.accepted)
  const workload = new Workload(
    history,
    again.random,
    {
      open: async () => memory,
      pass: () => new Promise(resolve => setImmediate(resolve)),
      nowMs: () => 0,
      storeRefuses: again.store.kind === 'refusing',
    },
    1_000_000,
  )
  await workload.open()
  await guarded(workload.write(6), 'a workload after recovery')
  const moment = history.moment()
  const crashed = disk.crash(again.random)
  const recovered = await guarded(recoverOn(crashed, again.store), 'recovery after new writes')
  const { broken } = judge(history, moment, recovered.content)
  if (broken !== undefined) throw new Error(`after recovery, new writes and another power cut: ${broken}`)
  crashed.powerOff()
  return 2
}

async function cutWithinRecovery(disk: SimulatedDisk, at: number, again: Again): Promise<SimulatedDisk> {
  let crashed: SimulatedDisk | undefined
  let onCut = () => {}
  const cut = new Promise<void>(resolve => {
    onCut = resolve
  })
  disk.onCall = call => {
    if (call.index !== at) return
    crashed = disk.crash(again.random)
    disk.powerOff()
    onCut()
  }
  // The second of two recoveries may take fewer calls than the first did: then the power is cut at its end.
  await guarded(Promise.race([cut, openOn(disk, again.store)]), 'a recovery that is cut short')
  disk.onCall = undefined
  crashed ??= disk.crash(again.random)
  disk.powerOff()
  return crashed
}

export function expectSame(found: Content, expected: Content, after: string): void {
  const keys = new Set([...found.keys(), ...expected.keys()])
  for (const key of keys) {
    const [a, b] = [found.get(key), expected.get(key)]
    if (a?.version === b?.version && a?.value === b?.value) continue
    throw new Error(
      `what was served is not there any more after ${after}: ${key} is at ${a?.version ?? 'none'} instead of ${b?.version ?? 'none'}`,
    )
  }
}
