/** The folder that a command on a disk was given, and the nearest one that is there. */
import { readdir, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { systemCode, WrongCallError } from '../../core/errors.js'

/** Where the README puts a memory. */
export const DEFAULT_FOLDER = './agent-memory'

export interface Place {
  /** As it was given, made absolute. */
  folder: string
  /** The folder itself; where it is missing, the nearest parent that is there: a memory's folder would be made in it. */
  nearest: string
  holds: 'memory' | 'other files' | 'nothing' | 'unreadable'
}

/** Throws INVALID_ARGUMENT if a part of the path is a file. */
export async function findPlace(path: string): Promise<Place> {
  const folder = resolve(path)
  for (let nearest = folder; ; nearest = dirname(nearest)) {
    if (await isFolder(nearest, folder)) return { folder, nearest, holds: await contentOf(nearest) }
  }
}

async function isFolder(path: string, asked: string): Promise<boolean> {
  try {
    if ((await stat(path)).isDirectory()) return true
  } catch (error) {
    const code = systemCode(error)
    // What may not be looked at is tried by way of its parent, which then says why it cannot be used.
    if (dirname(path) !== path && (code === 'ENOENT' || code === 'EACCES')) return false
    if (code !== 'ENOTDIR') throw error
  }
  throw new WrongCallError('INVALID_ARGUMENT', {
    message: `${asked}, or a part of that path, is a file`,
    next: 'Give the path of a folder; it need not exist yet',
  })
}

async function contentOf(folder: string): Promise<Place['holds']> {
  try {
    const names = await readdir(folder)
    if (names.includes('holdfast.json')) return 'memory'
    return names.length === 0 ? 'nothing' : 'other files'
  } catch (error) {
    if (systemCode(error) === 'EACCES') return 'unreadable'
    throw error
  }
}
