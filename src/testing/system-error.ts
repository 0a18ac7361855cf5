/** Errors that look like those of the system. */
import { constants } from 'node:os'

const TEXTS = {
  EBADF: 'bad file descriptor',
  EEXIST: 'file already exists',
  EIO: 'i/o error',
  EISDIR: 'illegal operation on a directory',
  ENOENT: 'no such file or directory',
  ENOSPC: 'no space left on device',
  ENOTDIR: 'not a directory',
  ENOTEMPTY: 'directory not empty',
  EROFS: 'read-only file system',
  EXDEV: 'cross-device link not permitted',
}

export type SystemCode = keyof typeof TEXTS

export function systemError(code: SystemCode, syscall: string, path: string): NodeJS.ErrnoException {
  const { stackTraceLimit } = Error
  // They are made by the thousand, and a stack is most of the time that takes.
  Error.stackTraceLimit = 0
  const error = new Error(`${code}: ${TEXTS[code]}, ${syscall} '${path}'`)
  Error.stackTraceLimit = stackTraceLimit
  return Object.assign(error, { code, errno: -constants.errno[code], syscall, path })
}
