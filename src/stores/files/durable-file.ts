/** Files that are replaced whole, and many of them at once. */
import { systemCode } from '../../core/errors.js'
import { type FileSystem, readFully, writeFully } from '../../io/file-system.js'

export const TEMPORARY = '.tmp'

/** Files that are written or read at a time: enough that their syncs share a commit of the file system. */
const AT_A_TIME = 16

/**
 * Puts content under a name in one step: under that name there is what was, or all of the new. The caller syncs the
 * folder. No temporary file of it is there.
 */
export async function replaceFile(fs: FileSystem, path: string, content: Buffer): Promise<void> {
  const file = await fs.open(path + TEMPORARY, 'create')
  try {
    await writeFully(file, content, 0)
    await file.sync()
  } finally {
    await file.close()
  }
  await fs.rename(path + TEMPORARY, path)
}

/** A whole file; `undefined` if there is none. */
export async function readFile(fs: FileSystem, path: string): Promise<Buffer | undefined> {
  const file = await ignoring('ENOENT', () => fs.open(path, 'read'))
  if (file === undefined) return undefined
  try {
    const buffer = Buffer.allocUnsafe(await file.size())
    const count = await readFully(file, buffer, 0)
    return buffer.subarray(0, count)
  } finally {
    await file.close()
  }
}

/** Does nothing about an error of this code, and returns `undefined` then. */
export async function ignoring<T>(code: string, task: () => Promise<T>): Promise<T | undefined> {
  try {
    return await task()
  } catch (error) {
    if (systemCode(error) === code) return undefined
    throw error
  }
}

/**
 * Does something with each item, some at a time; the results are in the order of the items. After an error nothing more
 * is begun, and it is thrown once nothing is going on any more.
 */
export async function forEach<T, R>(items: readonly T[], task: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = new Array(items.length)
  let next = 0
  let failure: { error: unknown } | undefined
  const work = async () => {
    while (next < items.length && failure === undefined) {
      const index = next++
      try {
        results[index] = await task(items[index]!)
      } catch (error) {
        failure ??= { error }
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(AT_A_TIME, items.length) }, work))
  if (failure !== undefined) throw failure.error
  return results
}
