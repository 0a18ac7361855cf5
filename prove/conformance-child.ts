/**
 * The writer that `prove stores` kills: numbered writes, up to some at a time, each so manieth of them a batch. It goes on
 * where the one before it was killed, and tells each acknowledgement.
 */
import { reportLine } from '../src/io/report-line.js'
import { BATCH_EVERY, KILLED_LOSS, KILLED_MAP } from './conformance.js'
import { type MemoryPlace, openAt } from './modes.js'

export interface Acknowledgement {
  acknowledged: number
  lsn: number
}

const AT_A_TIME = 8

const memory = await openAt(JSON.parse(process.argv[2]!) as MemoryPlace, { maxLoss: KILLED_LOSS })
const map = memory.map<number>(KILLED_MAP)
let number = 0
for await (const { value } of map.entries({ prefix: 'each' })) number = value

async function write(n: number): Promise<void> {
  const key = ['each', String(n).padStart(9, '0')]
  const { lsn } =
    n % BATCH_EVERY === 0
      ? await memory.batch(batch => void batch.set(map, key, n).set(map, ['both', 'a'], n).set(map, ['both', 'b'], n))
      : await map.set(key, n)
  reportLine({ acknowledged: n, lsn } satisfies Acknowledgement)
}

const running = new Set<Promise<void>>()
for (;;) {
  const writing = write(++number).finally(() => running.delete(writing))
  running.add(writing)
  if (running.size >= AT_A_TIME) await Promise.race(running)
}
