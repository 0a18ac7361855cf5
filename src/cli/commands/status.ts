/** `holdfast status FOLDER`: how a memory stands. Changes nothing and waits for nobody. */
import { type FolderStatus, folderStatus, type LogStatus, type StoreStatus } from '../../engine/folder-status.js'
import { nodeFileSystem } from '../../io/node-file-system.js'
import { parseLocation } from '../../location.js'
import { bytesText, countText, ExitCode, type LocatedOptions, printResult, rows } from '../output.js'

export async function status(location: string, options: LocatedOptions): Promise<ExitCode> {
  const { folder, store } = parseLocation(location, options.folder)
  const found = await folderStatus(nodeFileSystem, folder, store?.path)
  printResult(options, { ok: true, folder, ...found }, () => textOf(folder, found))
  return ExitCode.fine
}

function textOf(folder: string, { format, memoryId, complete, owner, store, log }: FolderStatus): string {
  return rows([
    ['memory', `${folder}, format ${format}, id ${memoryId}`],
    ['', complete ? undefined : 'its creation was interrupted: nothing was ever acknowledged'],
    ['owner', ownerText(owner)],
    ['store', storeText(store)],
    ['log', logText(log)],
    ['', `id ${log.logId ?? 'unknown'}, of store ${store.storeId ?? 'unknown'}`],
    ['behind', behindText(store, log)],
    ['end', endText(log)],
    ...log.damage.map(line => ['damage', line] as const),
    ['', log.damage.length === 0 ? undefined : 'run "npx holdfast verify" to learn more'],
  ])
}

function ownerText({ isOpen, pid, host, epoch }: FolderStatus['owner']): string {
  const state = isOpen === undefined ? 'it cannot be told whether it is open' : isOpen ? 'open now' : 'not open'
  if (pid === undefined) return state
  return `${state}; ${isOpen ? 'by' : 'last opened by'} process ${pid} on ${host ?? 'an unknown host'}, epoch ${epoch ?? '?'}`
}

function storeText({ kind, appliedLsn, atLeast, unread }: StoreStatus): string {
  const applied =
    appliedLsn === undefined ? undefined : `it has LSN ${appliedLsn}${atLeast ? ' at least, by the log' : ''}`
  const parts = [kind, applied, unread === undefined ? undefined : `not read: ${unread}`]
  return parts.filter(part => part !== undefined).join('; ')
}

function logText({ segments, bytes, firstLsn, lastLsn }: LogStatus): string {
  const lsns = firstLsn === 0 ? `no frames, last LSN ${lastLsn}` : `LSN ${firstLsn} to ${lastLsn}`
  return `${countText(segments, 'segment')}, ${bytesText(bytes)}, ${lsns}`
}

function behindText({ atLeast }: StoreStatus, { framesBehind, recordsBehind }: LogStatus): string {
  const most = atLeast ? 'at most ' : ''
  return `${most}${countText(framesBehind, 'frame')} with ${countText(recordsBehind, 'record')} that the store does not have`
}

function endText({ tornBytes, cleanClose }: LogStatus): string {
  if (cleanClose === undefined) return 'not judged while it is open'
  if (cleanClose) return 'closed cleanly'
  if (tornBytes === 0) return 'not closed cleanly; the next open recovers it'
  return `not closed cleanly; a last frame of ${bytesText(tornBytes ?? 0)} was cut short, nothing in it was acknowledged`
}
