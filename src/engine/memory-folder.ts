/**
 * The memory's folder: whether it is ours, who owns it, and the file that says which store and log belong to it.
 *
 * ```
 * holdfast.json   format, memory id, kind of the store; `complete` once everything has been made
 * owner.lock      locked by the kernel while a process owns the memory; says which process
 * log/            the write-ahead log
 * store/          the data store
 * ```
 */
import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { AgentMemoryError, systemCode } from '../core/errors.js'
import { type FileLock, type FileSystem, readText, writeFully } from '../io/file-system.js'

export const FOLDER_FORMAT = 1
const IDENTITY = 'holdfast.json'
const IDENTITY_TEMPORARY = 'holdfast.json.tmp'
const LOCK = 'owner.lock'
/**
 * What may stand in the folder of a memory that is yet to be made: what a creation that was interrupted before
 * `holdfast.json` was there has left, what a volume of its own has at its root (ext4), and the scratch of `doctor`.
 */
const ALLOWED_BEFORE = new Set([IDENTITY_TEMPORARY, LOCK, 'lost+found'])
const SCRATCH_PREFIX = '.holdfast-scratch-'

export interface FolderIdentity {
  format: number
  memoryId: string
  /** Kind of the data store, such as `level`. */
  store: string
  /** False until store and log have been made: nothing can have been acknowledged then. */
  complete: boolean
}

/** Makes the folder if it is missing; refuses one that holds something else. Changes nothing then. */
export async function prepareFolder(fs: FileSystem, folder: string): Promise<void> {
  const names = await namesIn(fs, folder)
  if (names === undefined) {
    await makeFolderWithParents(fs, folder)
    await syncParents(fs, folder)
    return
  }
  if (names.includes(IDENTITY)) {
    // Looked at before the lock's file is made: a folder of a newer format is left as it is.
    await readIdentity(fs, folder)
    return
  }
  if (names.every(name => ALLOWED_BEFORE.has(name) || name.startsWith(SCRATCH_PREFIX))) {
    // A creation that was interrupted may have made folders whose names nobody has synced.
    await syncParents(fs, folder)
    return
  }
  throw new AgentMemoryError('NOT_A_MEMORY', {
    message: `The folder ${folder} holds other files (${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''}) and no ${IDENTITY}`,
    next: 'Give a folder of its own to the memory: an empty one, or one that does not exist yet',
  })
}

/** The file whose lock says who owns the memory. */
export function lockPath(folder: string): string {
  return join(folder, LOCK)
}

/** Takes the lock that says that this process owns the memory. OWNED_ELSEWHERE, with pid and host, if another has it. */
export async function takeOwnership(fs: FileSystem, folder: string): Promise<FileLock> {
  const path = lockPath(folder)
  let lock: FileLock | undefined
  try {
    lock = await fs.lock(path)
  } catch (error) {
    throw folderError(folder, error)
  }
  if (lock === undefined) throw ownedElsewhere(folder, await readText(fs, path))
  return lock
}

/** Says in the lock's file who the owner is. */
export async function signOwnership(lock: FileLock, epoch: number): Promise<void> {
  await lock.write(`${JSON.stringify({ pid: process.pid, host: hostname(), epoch })}\n`)
}

/** Reads `holdfast.json`; makes it, not `complete` yet, if the folder has none. */
export async function readOrMakeIdentity(fs: FileSystem, folder: string, store: string): Promise<FolderIdentity> {
  const found = await readIdentity(fs, folder)
  if (found === undefined) {
    const made = { format: FOLDER_FORMAT, memoryId: randomId(), store, complete: false }
    await writeIdentity(fs, folder, made)
    return made
  }
  if (found.store === store) return found
  throw new AgentMemoryError('WRONG_STORE', {
    message: `The memory in ${folder} keeps its entries in the store "${found.store}", not "${store}"`,
    next: `Open it with { store: '${found.store}' }`,
  })
}

/** `undefined` if the folder has none. */
export async function readIdentity(fs: FileSystem, folder: string): Promise<FolderIdentity | undefined> {
  const text = await readText(fs, join(folder, IDENTITY))
  if (text === undefined) return undefined
  const identity = parseIdentity(text)
  if (identity === undefined) {
    throw new AgentMemoryError('NOT_A_MEMORY', {
      message: `The file ${IDENTITY} in ${folder} cannot be read as one of ours`,
      next: 'Restore it from a backup of the folder; the entries themselves are in log/ and store/',
    })
  }
  if (identity.format <= FOLDER_FORMAT) return identity
  throw new AgentMemoryError('FORMAT_TOO_NEW', {
    message: `The memory in ${folder} has format ${identity.format}; this version reads format ${FOLDER_FORMAT}`,
    next: 'Open it with the newer version of Holdfast that wrote it',
  })
}

/** Replaces `holdfast.json` in one step. Durable when it returns. */
export async function writeIdentity(fs: FileSystem, folder: string, identity: FolderIdentity): Promise<void> {
  const temporary = join(folder, IDENTITY_TEMPORARY)
  if ((await namesIn(fs, folder))?.includes(IDENTITY_TEMPORARY)) await fs.unlink(temporary)
  const file = await fs.open(temporary, 'create')
  try {
    await writeFully(file, Buffer.from(`${JSON.stringify({ holdfast: 'memory', ...identity }, undefined, 2)}\n`), 0)
    await file.sync()
  } finally {
    await file.close()
  }
  await fs.rename(temporary, join(folder, IDENTITY))
  await fs.syncFolder(folder)
}

/** Makes a folder in the memory's folder, durably. One that is there stays as it is. */
export async function ensureFolder(fs: FileSystem, path: string): Promise<void> {
  try {
    await fs.makeFolder(path)
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
  }
  await fs.syncFolder(dirname(path))
}

export function randomId(): string {
  return randomBytes(16).toString('hex')
}

/** An error of the system about the folder, as ours. */
export function folderError(folder: string, cause: unknown): unknown {
  const code = systemCode(cause)
  if (cause instanceof AgentMemoryError || code === undefined) return cause
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new AgentMemoryError('FOLDER_NOT_WRITABLE', {
      message: `The folder ${folder} cannot be written (${code})`,
      next: 'Give this user the right to write it, or choose another folder',
      cause,
    })
  }
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new AgentMemoryError('DISK_FULL', {
      message: `There is no room on the disk for the memory in ${folder} (${code})`,
      next: 'Free some space and open it again; nothing was changed that matters',
      cause,
    })
  }
  if (code === 'ENOTDIR') {
    return new AgentMemoryError('NOT_A_MEMORY', {
      message: `${folder}, or a part of that path, is a file`,
      next: 'Give the path of a folder: an empty one, or one that does not exist yet',
      cause,
    })
  }
  return new AgentMemoryError('IO_ERROR', {
    message: `The folder ${folder} cannot be opened (${code})`,
    next: 'Look at the disk and at the rights of the folder; the cause says what the system answered',
    cause,
  })
}

async function namesIn(fs: FileSystem, folder: string): Promise<string[] | undefined> {
  try {
    return await fs.list(folder)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}

async function makeFolderWithParents(fs: FileSystem, folder: string): Promise<void> {
  try {
    await fs.makeFolder(folder)
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return
    const parent = dirname(folder)
    if (systemCode(error) !== 'ENOENT' || parent === folder) throw error
    await makeFolderWithParents(fs, parent)
    await fs.makeFolder(folder)
  }
}

/** Makes the folder's name durable, and those of its parents, which an interrupted creation may have made. */
async function syncParents(fs: FileSystem, folder: string): Promise<void> {
  await fs.syncFolder(dirname(folder))
  for (let child = dirname(folder); dirname(child) !== child; child = dirname(child)) {
    try {
      await fs.syncFolder(dirname(child))
    } catch (error) {
      // A folder that may not be read cannot be opened to be synced, and we have not made it.
      if (systemCode(error) !== 'EACCES' && systemCode(error) !== 'EPERM') throw error
    }
  }
}

function parseIdentity(text: string): FolderIdentity | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    // Said by the caller, with the name of the file.
    return undefined
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined
  const { holdfast, format, memoryId, store, complete } = parsed as Record<string, unknown>
  if (holdfast !== 'memory' || typeof format !== 'number') return undefined
  // Of a newer format only the number is known to mean what it says.
  if (format > FOLDER_FORMAT) return { format, memoryId: '', store: '', complete: true }
  if (typeof memoryId !== 'string' || typeof store !== 'string' || typeof complete !== 'boolean') return undefined
  return { format, memoryId, store, complete }
}

function ownedElsewhere(folder: string, text: string | undefined): AgentMemoryError {
  let owner = 'another process'
  try {
    const { pid, host } = JSON.parse(text ?? '') as { pid?: unknown; host?: unknown }
    if (pid !== undefined) owner = `process ${String(pid)} on ${String(host)}`
  } catch {
    // The owner has the lock and has not signed yet: it is named without its number.
  }
  return new AgentMemoryError('OWNED_ELSEWHERE', {
    message: `The memory in ${folder} is open in ${owner}`,
    next: 'Close it there, or use another folder: one process at a time owns a memory',
  })
}
