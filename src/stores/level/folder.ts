/** The folder of a LevelDB database, looked at before LevelDB does. */
import { chmod, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AgentMemoryError, systemCode } from '../../core/errors.js'
import { nodeFileSystem } from '../../io/node-file-system.js'

/**
 * Makes the folder if it is missing and may be made. Throws STORE_LOST or STORE_CORRUPT, before LevelDB touches
 * anything, where a database should be and is not.
 */
export async function prepareFolder(folder: string, createIfMissing: boolean): Promise<void> {
  if (createIfMissing) await makeFolderIfMissing(folder)
  const names = await listOrEmpty(folder)
  if (names.includes('CURRENT')) return
  if (!createIfMissing) {
    throw new AgentMemoryError('STORE_LOST', {
      message: `There is no database in ${folder}`,
      next: 'Put its files back, or let the memory build a new store from a whole log',
    })
  }
  // Without CURRENT, LevelDB would make a new database here and delete the tables of the old one.
  const remains = await contentIn(folder, names)
  if (remains === undefined) return
  throw new AgentMemoryError('STORE_CORRUPT', {
    message: `${folder} holds ${remains} of a database, but not its file CURRENT`,
    next: 'Put CURRENT back from a backup, or move the folder away to start with an empty store',
  })
}

/**
 * Lets a database be made anew that cannot be opened because its making was cut short: LevelDB names the first MANIFEST
 * in CURRENT before it has synced it. Returns false, and changes nothing, where anything was ever written into it.
 */
export async function clearStillborn(folder: string): Promise<boolean> {
  const names = await listOrEmpty(folder)
  if (!names.includes('CURRENT') || (await contentIn(folder, names)) !== undefined) return false
  // Without CURRENT, LevelDB writes its first files again, over whatever stands there.
  await unlink(join(folder, 'CURRENT'))
  return true
}

/** A file in which LevelDB keeps content: a table, or a log that is not empty, also one that was kept. */
async function contentIn(folder: string, names: readonly string[]): Promise<string | undefined> {
  for (const name of names) {
    if (/^\d+\.(ldb|sst)$/.test(name)) return name
    if (/^\d+\.log(\.kept)?$/.test(name) && (await stat(join(folder, name))).size > 0) return name
  }
  return undefined
}

/** LevelDB makes its files with mode 0644: the folder's mode keeps others out, and this says it for each file as well. */
export async function keepToOwner(folder: string): Promise<void> {
  for (const name of await listOrEmpty(folder)) {
    try {
      await chmod(join(folder, name), 0o600)
    } catch (error) {
      // LevelDB removes files by itself, at any moment; and a file of another user is not ours to change.
      if (systemCode(error) !== 'ENOENT' && systemCode(error) !== 'EPERM') throw error
    }
  }
}

async function makeFolderIfMissing(folder: string): Promise<void> {
  try {
    await nodeFileSystem.makeFolder(folder)
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return
    throw error
  }
  await nodeFileSystem.syncFolder(dirname(folder))
}

async function listOrEmpty(folder: string): Promise<string[]> {
  try {
    return await nodeFileSystem.list(folder)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw error
  }
}
