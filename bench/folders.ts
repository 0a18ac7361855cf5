/** Folders for a run, on a real disk: a file system in RAM would make every sync free. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const RAM_MAGICS = new Set([0x01021994, 0x858458f6])

let root: string | undefined
let made = 0

/** A new empty folder. */
export function makeFolder(): string {
  root ??= makeRoot()
  made += 1
  const folder = join(root, String(made))
  mkdirSync(folder)
  return folder
}

export function removeFolder(folder: string): void {
  // A server that was just told to end may still make files.
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
}

/** A new empty folder for as long as the work takes. */
export async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = makeFolder()
  try {
    return await work(folder)
  } finally {
    removeFolder(folder)
  }
}

/** Removes what is left of all folders. */
export function removeFolders(): void {
  if (root !== undefined) removeFolder(root)
  root = undefined
}

function makeRoot(): string {
  const parent = isInRam(tmpdir()) ? resolve('.bench-tmp') : tmpdir()
  mkdirSync(parent, { recursive: true })
  const folder = mkdtempSync(join(parent, 'holdfast-bench-'))
  // A server that must not run as root passes through it.
  chmodSync(folder, 0o711)
  return folder
}

function isInRam(folder: string): boolean {
  // Windows and macOS have no such file system by default, and other numbers.
  return process.platform === 'linux' && RAM_MAGICS.has(statfsSync(folder).type)
}
