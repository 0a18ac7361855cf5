/**
 * One life of `prove real-power`: a real process that opens a memory in a real folder, states what it holds, and writes.
 * Its statements go into a file next to the memory, by calls that stand in one order with those on the memory's files.
 */
import assert from 'node:assert/strict'
import { openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { AgentMemory } from '../src/index.js'
import { seededRandom } from '../src/testing/random.js'
import { contentOf } from './content.js'
import { History } from './history.js'
import { foundIn } from './reported-history.js'
import { BOUNDS, MAX_LOSS } from './shape.js'
import { levelInThread } from './stores.js'
import { STATEMENTS, type Statement } from './trace-history.js'
import { Workload } from './workload.js'

const [root = '', folder = '', seed = '0', serial = '0', steps = '0'] = process.argv.slice(2)
const random = seededRandom(Number(seed))
const statements = openSync(join(root, STATEMENTS), 'a', 0o600)

function state(statement: Statement): void {
  writeSync(statements, `${JSON.stringify(statement)}\n`)
}

// With a small buffer, LevelDB makes tables, changes its log and removes files all the time.
const hasSmallBuffer = random() < 0.5
const pendingEntriesMax = random() < 0.5 ? 40 : 100_000
const logBytesMax = random() < 0.5 ? 256 * 1024 : 1 << 30
const tierBytesMax = random() < 0.3 ? 2000 : 1 << 20

let memory: AgentMemory
const history = new History(BOUNDS)
const workload = new Workload(
  history,
  random,
  {
    open: async () => {
      memory = await AgentMemory.open(folder, {
        store: hasSmallBuffer ? levelInThread(folder, 64 * 1024) : 'level',
        maxLoss: MAX_LOSS,
        segmentBytesMax: 64 * 1024,
        frameBytesMax: 64 * 1024,
        pendingEntriesMax,
        logBytesMax,
        tierBytesMax,
      })
      return memory
    },
    pass: () => new Promise(resolve => setTimeout(resolve, random() < 0.7 ? 0 : 3)),
    nowMs: () => 0,
    onIssue: ({ id, writes }) => state({ intent: writes, id }),
    onAccepted: accepted => state({ accepted }),
    onRefused: ({ id }) => state({ refused: id }),
    onAcknowledged: ({ lastLsn, reached }) => state({ acknowledged: lastLsn, reached: reached! }),
    onReopened: lastLsn => state({ reopened: lastLsn }),
    onPromised: lsn => state({ promised: lsn }),
  },
  Number(serial),
)

memory = await workload.open()
const content = await contentOf(memory)
history.base = content
history.current = new Map(content)
state(foundIn(memory, content))
await workload.run(Number(steps))
const { lost, inDoubt } = await memory.close()
assert.equal(lost + inDoubt, 0, 'a clean close says that something is lost')
state({ promised: memory.status().lsn.accepted })
state({ ended: true })
