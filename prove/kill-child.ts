/**
 * One life of `prove kill`: opens the memory in a real folder, reports what it holds, and writes until it is killed.
 *
 * It reports on its standard output, a line each, by calls that have handed the line to the kernel when they return: a
 * kill takes nothing of what was reported before. An intent is reported before the write is issued, and an
 * acknowledgement before anything is done that depends on it.
 */
import { writeSync } from 'node:fs'
import { AgentMemory } from '../src/index.js'
import { seededRandom } from '../src/testing/random.js'
import { type Call, History } from './history.js'
import { BOUNDS, contentOf, MAX_LOSS } from './shape.js'
import { Workload } from './workload.js'

export type Report =
  /** What was found at the start, and where LSNs go on. */
  | { found: [key: string, value: string, version: number][]; lastLsn: number }
  | { intent: Call['writes'] }
  /** The newest intent has this LSN. */
  | { lsn: number }
  | { refused: true }
  | { acknowledged: number; reached: 'tier' | 'log' | 'store' }
  | { promised: number }
  | { reopened: number }

const [folder = '', seed = '0', serial = '0'] = process.argv.slice(2)
const random = seededRandom(Number(seed))

function report(line: Report): void {
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`)
  for (let done = 0; done < bytes.length; ) done += writeSome(bytes, done)
}

function writeSome(bytes: Buffer, from: number): number {
  try {
    return writeSync(1, bytes, from)
  } catch (error) {
    // The pipe is full: the parent reads it.
    if ((error as { code?: unknown }).code === 'EAGAIN') return 0
    throw error
  }
}

const history = new History(BOUNDS)
const workload = new Workload(
  history,
  random,
  {
    open: () =>
      AgentMemory.open(folder, {
        maxLoss: MAX_LOSS,
        segmentBytesMax: 256 * 1024,
        frameBytesMax: 128 * 1024,
        pendingEntriesMax: 200,
      }),
    pass: () => new Promise(resolve => setTimeout(resolve, random() < 0.7 ? 0 : 5)),
    nowMs: () => 0,
    onIssue: ({ writes }) => report({ intent: writes }),
    onAccepted: call => report({ lsn: call.lastLsn }),
    onRefused: () => report({ refused: true }),
    onAcknowledged: ({ lastLsn, reached }) => report({ acknowledged: lastLsn, reached: reached! }),
    onReopened: lastLsn => report({ reopened: lastLsn }),
    onPromised: lsn => report({ promised: lsn }),
  },
  Number(serial),
)

const memory = await workload.open()
const content = await contentOf(memory)
history.base = content
history.current = new Map(content)
report({
  found: [...content].map(([key, { value, version }]) => [key, value, version]),
  lastLsn: memory.status().lsn.accepted,
})
await workload.run(Number.POSITIVE_INFINITY)
