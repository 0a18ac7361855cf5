/** The one table at the end, and the sentences around it. */
import Table from 'cli-table3'
import { DURABILITIES, type Durability } from '../src/policy/durability.js'
import type { KillRunResult } from './kill-run.js'
import { MAX_LOSS, type Sabotage } from './memory.js'
import type { Tally } from './verify.js'

const BOUNDS: Record<Durability, string> = {
  'write-through': 'nothing',
  'write-ahead': 'nothing',
  'write-back': `${MAX_LOSS.writes} writes, ${kib(MAX_LOSS.bytes)},\n${MAX_LOSS.ms} ms a crash`,
}

const BROKEN_SHOWN = 5

export const EXIT = { kept: 0, broken: 1, caught: 1, notCaught: 3 } as const

export function table(kills: KillRunResult, cuts: Tally): string {
  const shown = new Table({
    head: [
      'durability',
      'acknowledged',
      'recovered',
      'lost to\nkills',
      'lost to\npower cuts',
      'declared bound:\nmay be lost',
      'median\nwait',
      'p99\nwait',
    ],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'left', 'right', 'right'],
    style: { head: [], border: [] },
  })
  for (const durability of DURABILITIES.toReversed()) {
    const acknowledged = kills.tally.acknowledged[durability]
    const lost = kills.tally.lost[durability]
    const latencies = kills.latencies[durability].toSorted((a, b) => a - b)
    shown.push([
      durability,
      number(acknowledged),
      number(acknowledged - lost),
      number(lost),
      `${number(cuts.lost[durability])} of ${number(cuts.acknowledged[durability])}`,
      BOUNDS[durability],
      ms(quantile(latencies, 0.5)),
      ms(quantile(latencies, 0.99)),
    ])
  }
  const recovery = kills.recoveryMs.toSorted((a, b) => a - b)
  const label = `recovery after a kill: median ${ms(quantile(recovery, 0.5))}, longest ${ms(recovery.at(-1))}; wait: from a call to its acknowledgement`
  shown.push([{ colSpan: 8, content: label }])
  return shown.toString()
}

export function details(kills: KillRunResult, cuts: Tally): string {
  return [
    `Kills with writes in flight: ${kills.killsInFlight} of ${kills.kills}. Power cuts: ${cuts.crashes}.`,
    'The count of a power cut is of all that had been acknowledged before it; each is a future of its own.',
    `The most that one crash took of write-back: ${worst(kills.tally)} (kill), ${worst(cuts)} (power cut).`,
  ].join('\n')
}

/** The last words, and the exit code. */
export function verdict(kills: KillRunResult, cuts: Tally, wanted: { kills: number }, sabotage: Sabotage) {
  const broken = [...kills.tally.broken, ...cuts.broken]
  if (!kills.isComplete) broken.push('the memory does not hold, at the end, what was written last')
  if (kills.killsInFlight < wanted.kills) broken.push(`only ${kills.killsInFlight} kills met writes in flight`)
  if (sabotage !== undefined) return sabotageVerdict(kills, cuts)
  if (broken.length > 0) {
    const shown = broken.slice(0, BROKEN_SHOWN).map(sentence => `  - ${sentence}`)
    if (broken.length > BROKEN_SHOWN) shown.push(`  - and ${broken.length - BROKEN_SHOWN} more`)
    return { text: [`PROMISES BROKEN: ${broken.length}`, ...shown].join('\n'), code: EXIT.broken }
  }
  const text =
    '3 promises kept: nothing acknowledged as write-ahead or write-through was lost, write-back lost no more than its ' +
    'bound, and what came back is exactly what had been written up to some moment.'
  return { text, code: EXIT.kept }
}

function sabotageVerdict(kills: KillRunResult, cuts: Tally) {
  if (cuts.durableLost > 0) {
    const text = `The sabotage was caught: ${number(cuts.durableLost)} acknowledged writes were lost to power cuts.`
    return { text, code: EXIT.caught }
  }
  const text =
    `THE SABOTAGE WAS NOT CAUGHT: nothing was synced, and yet ${cuts.crashes} power cuts and ${kills.kills} kills lost ` +
    'nothing that was acknowledged. The demo would not see a broken promise.'
  return { text, code: EXIT.notCaught }
}

function worst({ worst: { writes, bytes, ms: age } }: Tally): string {
  return `${writes} writes, ${kib(bytes)}, ${Math.ceil(age)} ms old`
}

function quantile(sorted: readonly number[], share: number): number | undefined {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}

function ms(value: number | undefined): string {
  return value === undefined ? '–' : `${value.toFixed(value < 10 ? 2 : 0)} ms`
}

function number(value: number): string {
  return value.toLocaleString('en-US')
}

function kib(bytes: number): string {
  return `${Math.ceil(bytes / 1024)} KiB`
}
