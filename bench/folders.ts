/** Folders for a run, on a real disk: a file system in RAM would make every sync free. */
import { mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
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
  rmSync(folder, { recursive: true, force: true })
}

/** Removes what is left of all folders. */
export function removeFolders(): void {
  if (root !== undefined) removeFolder(root)
  root = undefined
}

function makeRoot(): string {
  const parent = isInRam(tmpdir()) ? resolve('.bench-tmp') : tmpdir()
  mkdirSync(parent, { recursive: true })
  return mkdtempSync(join(parent, 'holdfast-bench-'))
}

function isInRam(folder: string): boolean {
  // Windows and macOS have no such file system by default, and other numbers.
  return process.platform === 'linux' && RAM_MAGICS.has(statfsSync(folder).type)
}
