/** What an open has to warn of. */
import type { Lsn } from '../core/lsn.js'
import type { Engine } from './engine.js'
import type { WarningCode } from './events.js'

const VOLATILE_FILE_SYSTEMS = new Set(['tmpfs', 'overlay'])

/** Tells of a folder that does not last, of a torn tail, and of a log that was lost after some LSN. */
export function warnOfOpen(engine: Engine, lostAfter: Lsn | undefined): void {
  const { config, folderKind, recovery } = engine
  const warn = (code: WarningCode, message: string) => engine.events.emit('warning', { code, message })
  if (VOLATILE_FILE_SYSTEMS.has(folderKind)) {
    warn(
      'VOLATILE_FOLDER',
      `The folder ${config.folder} is on ${folderKind}, which does not outlive this machine or container`,
    )
  }
  if (recovery.tornBytes > 0) {
    warn(
      'TORN_TAIL',
      `A crash had cut short the last frame of the log (${recovery.tornBytes} bytes); nothing in it was acknowledged`,
    )
  }
  if (lostAfter !== undefined) {
    warn('LOG_LOST', `The log was lost; everything accepted after LSN ${lostAfter} that only it had is gone`)
  }
}
