/** What an open has to warn of. */
import type { Lsn } from '../core/lsn.js'
import type { Events, WarningCode } from './events.js'

const VOLATILE_FILE_SYSTEMS = new Set(['tmpfs', 'overlay'])

/** What an open has found. */
export interface Findings {
  folder: string
  /** The kind of its file system. */
  folderKind: string
  /** Bytes of a torn frame at the end of the log. */
  tornBytes: number
  /** The last LSN that is there, if the log was lost. */
  lostAfter: Lsn | undefined
}

/** Tells of a folder that does not last, of a torn tail, and of a log that was lost. */
export function warnOfOpen(events: Events, { folder, folderKind, tornBytes, lostAfter }: Findings): void {
  const warn = (code: WarningCode, message: string) => events.emit('warning', { code, message })
  if (VOLATILE_FILE_SYSTEMS.has(folderKind)) {
    warn(
      'VOLATILE_FOLDER',
      `The folder ${folder} is on ${folderKind}, which does not outlive this machine or container`,
    )
  }
  if (tornBytes > 0) {
    warn(
      'TORN_TAIL',
      `A crash had cut short the last frame of the log (${tornBytes} bytes); nothing in it was acknowledged`,
    )
  }
  if (lostAfter !== undefined) {
    warn('LOG_LOST', `The log was lost; everything accepted after LSN ${lostAfter} that only it had is gone`)
  }
}
