/**
 * One life of `prove kill`: opens the memory in a real folder, reports what it holds, and writes until it is killed.
 *
 * An intent is reported before the write is issued, and an acknowledgement before anything is done that depends on it.
 */
import { reportLine } from '../src/io/report-line.js'
import { seededRandom } from '../src/testing/random.js'
import { contentOf } from './content.js'
import { History } from './history.js'
import { type FoundReport, foundIn, type WriteReport } from './reported-history.js'
import { BOUNDS, MAX_LOSS } from './shape.js'
import { levelInThread, openOver, type StoreName } from './stores.js'
import { Workload } from './workload.js'

export type Report = FoundReport | WriteReport

const [store, folder = '', seed = '0', serial = '0'] = process.argv.slice(2) as [StoreName, ...string[]]
const random = seededRandom(Number(seed))

const report: (report: Report) => void = reportLine
const history = new History(BOUNDS)
const isInThread = store === 'level' && random() < 0.3
const workload = new Workload(
  history,
  random,
  {
    open: () =>
      openOver(store, folder, {
        ...(isInThread && { store: levelInThread(folder) }),
        maxLoss: MAX_LOSS,
        segmentBytesMax: 256 * 1024,
        frameBytesMax: 64 * 1024,
        pendingEntriesMax: 200,
      }),
    pass: () => new Promise(resolve => setTimeout(resolve, random() < 0.7 ? 0 : 5)),
    nowMs: () => 0,
    onIssue: ({ id, writes }) => report({ intent: writes, id }),
    onAccepted: accepted => report({ accepted }),
    onRefused: ({ id }) => report({ refused: id }),
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
report(foundIn(memory, content))
await workload.run(Number.POSITIVE_INFINITY)
