/** The command of `prove outage`, and its table. */
import Table from 'cli-table3'
import { type Command, Option } from 'commander'
import { numberOption } from './options.js'
import { ACTS, type ActName, type ActResult, proveOutage, RATIO_GOAL, ratioOf } from './outage.js'
import type { LaneFigures } from './outage-lanes.js'
import { tellPart } from './part.js'

interface Flags {
  seconds?: number
  writers?: number
  act?: ActName
  quick?: boolean
  plant?: boolean
  json?: boolean
}

const FULL = { seconds: 30, writers: 32 }
const QUICK = { seconds: 3, writers: 8 }

export function registerOutage(program: Command): void {
  program
    .command('outage')
    .description('stop, hold up and kill a Postgres under writers, and the writers too; nothing acknowledged is lost')
    .option('--seconds <count>', `how long each outage lasts (default: ${FULL.seconds})`, numberOption)
    .option('--writers <count>', `writers of each durability (default: ${FULL.writers})`, numberOption)
    .addOption(new Option('--act <name>', 'only this one').choices(Object.keys(ACTS)))
    .option('--quick', `${QUICK.seconds} s and ${QUICK.writers} writers: to see that it works`)
    .option('--plant', 'take an acknowledged entry out of the database: the run has to tell it')
    .option('--json', 'print the result as JSON')
    .action(async ({ act, quick, json, plant, ...given }: Flags) => {
      const options = { ...(quick ? QUICK : FULL), ...given, plant }
      const result = await proveOutage(act === undefined ? options : { ...options, acts: [act] })
      if (!json && result.acts.length > 0) console.log(`\n${tableOf(result.acts)}`)
      tellPart(result, json)
    })
}

const LINES: [what: string, of: (act: ActResult) => string][] = [
  ['acknowledged and lost (goal: 0)', ({ lost }) => grouped(lost)],
  ['write-back lost within its bound', ({ lostWithinBound }) => grouped(lostWithinBound)],
  ['promises broken', ({ broken }) => grouped(broken.length)],
  ['write-ahead, ms, median before', ({ before }) => msText(before['write-ahead'].medianMs)],
  ['  during', ({ during }) => msText(during['write-ahead'].medianMs)],
  [`  ratio (goal: ≤ ${RATIO_GOAL})`, ratioText],
  ['  99 %, before … during', act => bothText(act, 'write-ahead', ({ p99Ms }) => msText(p99Ms))],
  ['  writes/s, before … during', act => bothText(act, 'write-ahead', perSecond)],
  ['write-back, writes/s, before … during', act => bothText(act, 'write-back', perSecond)],
  ['write-through, writes/s, before … during', act => bothText(act, 'write-through', perSecond)],
  ['  ms, median before', ({ before }) => msText(before['write-through'].medianMs)],
  ['  told STORE_BEHIND', ({ behind }) => grouped(behind)],
  ['  of them told to be kept later', keptText],
  ['reads refused with STORE_DOWN', ({ storeReadsRefused }) => grouped(storeReadsRefused)],
  ['backlog, entries', ({ drained }) => grouped(drained.entries)],
  ['  writes that they stand for', ({ drained }) => grouped(drained.writes)],
  ['  entries/s into the store', ({ drained }) => rateText(drained.entries, drained.ms)],
  ['  MiB/s into the store', ({ drained }) => rateText(drained.bytes / 2 ** 20, drained.ms)],
  ['server back until drained, s', ({ recoveredMs }) => (recoveredMs / 1000).toFixed(2)],
]

function tableOf(acts: readonly ActResult[]): string {
  const head = ['Postgres is …', ...acts.map(({ act }) => (ACTS[act].killsWriter ? `killed, ${act}` : act))]
  const table = new Table({ head, style: { head: [], border: [] } })
  for (const [what, of] of LINES) table.push([what, ...acts.map(of)])
  return table.toString()
}

function ratioText(act: ActResult): string {
  const ratio = ratioOf(act)
  if (ratio === undefined) return '–'
  return ratio <= RATIO_GOAL ? ratio.toFixed(2) : `${ratio.toFixed(2)} MISSED`
}

/** Of a process that was killed nobody hears more. */
function keptText({ act, kept }: ActResult): string {
  return ACTS[act].killsWriter ? '–' : grouped(kept)
}

function bothText(
  { before, during }: ActResult,
  durability: keyof ActResult['before'],
  of: (figures: LaneFigures) => string,
): string {
  return `${of(before[durability])} … ${of(during[durability])}`
}

function perSecond({ writes, seconds }: LaneFigures): string {
  return rateText(writes, seconds * 1000)
}

function msText(ms: number | null): string {
  return ms === null ? '–' : ms.toPrecision(3)
}

function rateText(count: number, ms: number): string {
  const rate = (count * 1000) / ms
  return rate >= 100 ? grouped(Math.round(rate)) : rate.toFixed(1)
}

function grouped(count: number): string {
  return count.toLocaleString('en-US')
}
