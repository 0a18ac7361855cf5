/**
 * `holdfast repair FOLDER --to NEWFOLDER --yes`: saves what is intact into a new memory. The original is only read.
 * What would be lost is said first; without `--yes` that is all.
 */
import { readdir } from 'node:fs/promises'
import { resolve, sep } from 'node:path'
import { systemCode, WrongCallError } from '../../core/errors.js'
import { salvage } from '../../engine/salvage.js'
import { MemoryCopy } from '../../engine/salvage-copy.js'
import { rangeText, type SalvageReport } from '../../engine/salvage-report.js'
import { identityOf, whileOwned } from '../../engine/verify.js'
import { AgentMemory } from '../../index.js'
import { systemClock } from '../../io/clock.js'
import { nodeFileSystem } from '../../io/node-file-system.js'
import { countText, ExitCode, Progress, printResult, type RepairOptions, rows } from '../output.js'
import { problemText } from './verify.js'

export async function repair(path: string, options: RepairOptions): Promise<ExitCode> {
  const folder = resolve(path)
  const to = options.to === undefined ? undefined : resolve(options.to)
  if (options.yes === true && to === undefined)
    throw wrongCall('--yes was given without --to', 'Say where the copy goes')
  await identityOf(nodeFileSystem, folder)
  if (to !== undefined) await checkTarget(folder, to)
  return whileOwned(nodeFileSystem, folder, async () => {
    const report = await walk(folder)
    const isCopied = options.yes === true && to !== undefined
    if (options.json !== true) process.stdout.write(`${reportText(folder, report)}\n`)
    if (isCopied) await copy(folder, to, report)
    const ok = isCopied || report.losses.length === 0
    printResult(options, { ok, folder, to, copied: isCopied, ...report }, () => `\n${closingText(to, isCopied)}`)
    return ok ? ExitCode.fine : ExitCode.problems
  })
}

async function walk(folder: string, sink?: MemoryCopy): Promise<SalvageReport> {
  const progress = new Progress()
  try {
    return await salvage(nodeFileSystem, folder, sink, progress.show)
  } finally {
    progress.clear()
  }
}

async function copy(folder: string, to: string, plan: SalvageReport): Promise<void> {
  const target = await MemoryCopy.create(nodeFileSystem, systemClock, to, plan)
  try {
    await walk(folder, target)
    await target.complete()
  } catch (error) {
    await target.abandon()
    throw error
  }
  // Opening it proves that it can be, and moves what its log holds into its store.
  const memory = await AgentMemory.open(to, { store: plan.kind === 'in-memory' ? 'in-memory' : 'level' })
  await memory.close()
}

async function checkTarget(folder: string, to: string): Promise<void> {
  if (to === folder || to.startsWith(folder + sep) || folder.startsWith(to + sep)) {
    throw wrongCall(`The copy cannot go to ${to}, which is or touches the original`, 'Give another folder')
  }
  try {
    if ((await readdir(to)).length === 0) return
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return
    if (systemCode(error) !== 'ENOTDIR') throw error
  }
  throw wrongCall(
    `The copy cannot go to ${to}, which is there and not an empty folder`,
    'Give a new or an empty folder',
  )
}

function wrongCall(message: string, next: string): WrongCallError {
  return new WrongCallError('INVALID_ARGUMENT', { message, next })
}

function reportText(folder: string, { entries, rescued, kept, problems, losses }: SalvageReport): string {
  const fromLog = rescued === 0 ? '' : `, of which ${rescued} had a damaged value that the log still has`
  const lsns = kept.lsns === undefined ? '' : ` (${rangeText(kept.lsns)})`
  const saved = rows([
    ['memory', folder],
    ['saved from the store', `${countText(entries, 'entry', 'entries')}${fromLog}`],
    ['saved from the log', `${countText(kept.frames, 'frame')}, ${countText(kept.records, 'record')}${lsns}`],
  ])
  const found = problems.length === 0 ? 'No problems.' : `Problems:\n${problems.map(problemText).join('\n')}`
  const lost = losses.length === 0 ? 'Nothing is lost.' : `Lost:\n${losses.map(line => `  ${line}.`).join('\n')}`
  return `${saved}\n\n${found}\n\n${lost}`
}

function closingText(to: string | undefined, isCopied: boolean): string {
  if (isCopied) return `The copy is in ${to}; it has been opened and closed. The original is as it was.`
  return 'Nothing was changed. To make the copy, give --to NEWFOLDER --yes.'
}
