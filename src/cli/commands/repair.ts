/**
 * `holdfast repair FOLDER --to NEWFOLDER --yes`: saves what is intact into a new memory. The original is only read.
 * What would be lost is said first; without `--yes` that is all.
 */
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { sep } from 'node:path'
import { systemCode, WrongCallError } from '../../core/errors.js'
import { salvage } from '../../engine/salvage.js'
import { MemoryCopy } from '../../engine/salvage-copy.js'
import { rangeText, type SalvageReport } from '../../engine/salvage-report.js'
import { identityOf, whileOwned } from '../../engine/verify.js'
import { AgentMemory, type StoreOpener } from '../../index.js'
import { systemClock } from '../../io/clock.js'
import { nodeFileSystem } from '../../io/node-file-system.js'
import { type Location, parseLocation, type StorePlace } from '../../location.js'
import { openerOf } from '../../store-opener.js'
import { countText, ExitCode, Progress, printResult, type RepairOptions, rows } from '../output.js'
import { problemText } from './verify.js'

export async function repair(location: string, options: RepairOptions): Promise<ExitCode> {
  const { folder, store } = parseLocation(location, options.folder)
  const target = options.to === undefined ? undefined : parseLocation(options.to)
  if (options.yes === true && target === undefined)
    throw wrongCall('--yes was given without --to', 'Say where the copy goes')
  await identityOf(nodeFileSystem, folder)
  if (target !== undefined) await checkTarget({ folder, store }, target)
  return whileOwned(nodeFileSystem, folder, async () => {
    const report = await walk(folder, store)
    const isCopied = options.yes === true && target !== undefined
    if (options.json !== true) process.stdout.write(`${reportText(folder, report)}\n`)
    if (isCopied) {
      const opener = openerOf(target.store, inMemoryOption(report, target), target.folder, nodeFileSystem)
      await copy(folder, store, target, opener, report)
    }
    const to = target?.store?.path ?? target?.folder
    const ok = isCopied || report.losses.length === 0
    printResult(options, { ok, folder, to, copied: isCopied, ...report }, () => `\n${closingText(to, isCopied)}`)
    return ok ? ExitCode.fine : ExitCode.problems
  })
}

async function walk(folder: string, store: StorePlace | undefined, sink?: MemoryCopy): Promise<SalvageReport> {
  const progress = new Progress()
  try {
    return await salvage(nodeFileSystem, folder, sink, progress.show, store?.path)
  } finally {
    progress.clear()
  }
}

async function copy(
  folder: string,
  store: StorePlace | undefined,
  target: Location,
  opener: StoreOpener,
  plan: SalvageReport,
): Promise<void> {
  const made = await MemoryCopy.create(nodeFileSystem, systemClock, target.folder, plan, opener)
  try {
    await walk(folder, store, made)
    await made.complete()
  } catch (error) {
    await made.abandon()
    throw error
  }
  // Opening it proves that it can be, and moves what its log holds into its store.
  const memory = await AgentMemory.open(target.folder, { store: opener })
  await memory.close()
}

/** A copy in a folder keeps what only a log had in a log. */
function inMemoryOption({ kind }: SalvageReport, { store }: Location): 'in-memory' | undefined {
  return kind === 'in-memory' && store === undefined ? kind : undefined
}

async function checkTarget(original: Location, target: Location): Promise<void> {
  const { folder: to, store } = target
  if (store?.kind === 'postgres') {
    throw wrongCall('The copy cannot go to a server', 'Copy it to a folder, and from there with a program of your own')
  }
  if (store !== undefined && existsSync(store.path)) {
    throw wrongCall(`The copy cannot go to ${store.path}, which is there`, 'Name a place where nothing is yet')
  }
  for (const place of placesOf(original)) {
    const touching = placesOf(target).find(each => isWithin(each, place) || isWithin(place, each))
    if (touching === undefined) continue
    throw wrongCall(`The copy cannot go to ${touching}, which is or touches the original`, 'Give another folder')
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

function placesOf({ folder, store }: Location): string[] {
  return store === undefined ? [folder] : [folder, store.path]
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder + sep)
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
