/** `holdfast verify FOLDER`: checks everything and tells every problem. Changes nothing. */
import { rangeText } from '../../engine/salvage-report.js'
import { identityOf, type MemoryFindings, type Problem, verifyMemory, whileOwned } from '../../engine/verify.js'
import { nodeFileSystem } from '../../io/node-file-system.js'
import { parseLocation } from '../../location.js'
import { bytesText, countText, ExitCode, type LocatedOptions, Progress, printResult, rows } from '../output.js'

export async function verify(location: string, options: LocatedOptions): Promise<ExitCode> {
  const { folder, store: place } = parseLocation(location, options.folder)
  // Before the lock, whose file would be made: a folder that is no memory stays as it is.
  await identityOf(nodeFileSystem, folder)
  const progress = new Progress()
  let found: MemoryFindings
  try {
    found = await whileOwned(nodeFileSystem, folder, () => {
      return verifyMemory(nodeFileSystem, folder, progress.show, place?.path)
    })
  } finally {
    progress.clear()
  }
  const ok = found.problems.length === 0
  const { log, store, problems } = found
  const { problems: _same, ...logFacts } = log
  printResult(options, { ok, folder, memory: found.folder, log: logFacts, store, problems }, () =>
    textOf(folder, found),
  )
  return ok ? ExitCode.fine : ExitCode.problems
}

function textOf(folder: string, { folder: identity, log, store, problems }: MemoryFindings): string {
  const bytes = log.segments.reduce((sum, segment) => sum + segment.bytes, 0)
  const frames = `${countText(log.frames, 'frame')}, ${countText(log.records, 'record')}`
  const mark = store.mark === undefined ? '' : `, applied LSN ${store.mark.appliedLsn}`
  const entries = `${countText(store.entries, 'entry', 'entries')}, ${bytesText(store.bytes)}${mark}`
  const checked = store.entries > 0 || store.unchecked === undefined
  const facts = rows([
    ['memory', `${folder}, format ${identity.format}, id ${identity.memoryId}`],
    ['log', `${countText(log.segments.length, 'segment')}, ${bytesText(bytes)}, ${frames}, last LSN ${log.lastLsn}`],
    ['store', [store.kind, checked ? entries : undefined, store.unchecked].filter(Boolean).join('; ')],
    ['torn', log.tornBytes === 0 ? undefined : `a last frame of ${bytesText(log.tornBytes)} was cut short: no problem`],
  ])
  const isAll = store.unchecked === undefined || store.kind === 'in-memory' || !identity.complete
  if (problems.length === 0) {
    return `${facts}\n\n${isAll ? 'No problems.' : 'No problems in the log; the store was not checked.'}`
  }
  return `${facts}\n\n${countText(problems.length, 'problem')}:\n${problems.map(problemText).join('\n')}`
}

/** A problem in one line, with the writes or the key that it concerns. */
export function problemText({ code, message, segment, lsns, key }: Problem): string {
  // What concerns a place in the log names the writes that it hides, and if there are none, that is worth a word.
  const hidden = segment === undefined ? '' : lsns === undefined ? ' It hides no writes.' : ''
  const writes = lsns === undefined ? '' : ` Writes that cannot be read: ${rangeText(lsns)}.`
  const named = key === undefined || message.includes(JSON.stringify(key)) ? '' : ` Key: ${JSON.stringify(key)}.`
  return `  ${code}: ${message}.${writes}${hidden}${named}`
}
