/** The command of `prove peers`, and its table. */
import { SingleBar } from 'cli-progress'
import Table from 'cli-table3'
import { type Command, Option } from 'commander'
import { FAULTS, type FaultKind, type FaultMode, MODES } from './faults-cases.js'
import { numberOption } from './options.js'
import { tellPart } from './part.js'
import { type PeerRow, type PeersResult, provePeers, SUBJECTS } from './peers.js'
import type { SubjectName } from './subjects/child.js'

interface Flags {
  lives: number
  runs?: number
  seed: number
  subject?: SubjectName
  fault?: FaultKind
  mode?: FaultMode
  call?: number
  json?: boolean
}

const SHOWN_FINDINGS = 5

/** What was counted, line by line; `undefined` where there is nothing to say. */
export const PEER_LINES: readonly [what: string, of: (row: PeerRow) => number | undefined][] = [
  ['kills: processes killed', row => row.kill.lives],
  ['kills: puts acknowledged', row => row.kill.acknowledged],
  ['kills: acknowledged, and gone', row => row.kill.lost],
  ['kills: values that nobody put', row => row.kill.wrong],
  ['kills: lives that ended otherwise', row => row.kill.broken],
  ['faults: runs in which a file call failed', row => row.faults && row.faults.runs - row.faults.notFired],
  ['faults: puts acknowledged', row => row.faults?.acknowledged],
  ['faults: acknowledged, and gone', row => row.faults?.lost],
  ['  of them, when a sync had failed and let go of its data', row => row.faults?.lostAfterFailedSync],
  ['faults: values that nobody put', row => row.faults?.wrong],
  ['faults: rejected, and there after all', row => row.faults?.rejectedButThere],
  ['  of them, the error had said so (in doubt)', row => row.faults?.rejectedInDoubt],
  ['faults: errors to the caller', row => row.faults?.errors],
  ['  of them, without a code', row => row.faults?.untyped],
  ['faults: errors that nobody was told of', row => row.faults?.untold],
  ['faults: runs with a call that is never answered', row => row.faults?.hangs],
  ['faults: runs in which the process died', row => row.faults?.crashes],
  ['faults: closed, yet held until the process had ended', row => row.faults?.held],
  ['faults: unreadable afterwards', row => row.faults?.unreadable],
]

export function registerPeers(program: Command): void {
  program
    .command('peers')
    .description('kill, and make file calls fail, of lmdb and SQLite used directly, beside Holdfast')
    .option('--lives <count>', 'processes to kill, of each', numberOption, 100)
    .option('--runs <count>', 'faults of each, spread over all of them (default: all)', numberOption)
    .option('--seed <number>', 'of the programs and of the moments', numberOption, 1)
    .addOption(new Option('--subject <name>', 'only this one').choices(SUBJECTS))
    .addOption(new Option('--fault <kind>', 'only this fault').choices(FAULTS))
    .addOption(new Option('--mode <mode>', 'only this mode').choices(MODES))
    .option('--call <number>', 'only at this call', numberOption)
    .option('--json', 'print the result as JSON')
    .action(async ({ json, subject, fault, mode, call, ...flags }: Flags) => {
      const bar = json || !process.stderr.isTTY ? undefined : new SingleBar({ format: '{value} done' })
      bar?.start(0, 0)
      const only = { ...(fault && { fault }), ...(mode && { mode }), ...(call !== undefined && { call }) }
      const subjects = subject === undefined ? SUBJECTS : [subject]
      const result = await provePeers({ ...flags, subjects, only, onProgress: done => bar?.update(done) })
      bar?.stop()
      if (!json) tellPeers(result)
      tellPart(result, json)
    })
}

function tellPeers({ rows, findings, withoutFaults }: PeersResult): void {
  for (const { subject, configuration } of rows) console.log(`${subject}: ${configuration}`)
  if (withoutFaults !== undefined) console.log(`No faults: ${withoutFaults}`)
  const table = new Table({
    head: ['', ...rows.map(row => row.subject)],
    style: { head: [], border: [], compact: true },
  })
  for (const [what, of] of PEER_LINES) table.push([what, ...rows.map(row => of(row)?.toLocaleString('en-US') ?? '-')])
  console.log(table.toString())
  for (const { subject } of rows) {
    const own = findings.filter(each => each.subject === subject)
    for (const { what, replay } of own.slice(0, SHOWN_FINDINGS)) console.log(`\n${what}\n  again: ${replay}`)
    if (own.length > SHOWN_FINDINGS) console.log(`\n… and ${own.length - SHOWN_FINDINGS} more of ${subject}`)
  }
}
