/** Places that a memory may be put in: file systems mounted for a test, where that is allowed, and unmounted after it. */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

export const CANNOT_MOUNT = 'this user may not mount file systems here'

/** A tmpfs of its own; `undefined` where none can be mounted. */
export function mountTmpfs(t: TestContext, size: string): string | undefined {
  return mount(newFolder(t), `size=${size}`)
}

/**
 * A folder that nobody can write: mounted read-only, or, for a user whom the mode of a folder binds, without the right
 * to write it. `undefined` where neither is possible.
 */
export function readOnlyFolder(t: TestContext): { folder: string; error: 'EROFS' | 'EACCES' } | undefined {
  const folder = newFolder(t)
  if (mount(folder, 'ro') !== undefined) return { folder, error: 'EROFS' }
  if (process.platform === 'win32' || process.getuid?.() === 0) return undefined
  chmodSync(folder, 0o555)
  return { folder, error: 'EACCES' }
}

function newFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-place-'))
  t.after(() => {
    // Fails where nothing was mounted.
    spawnSync('umount', [folder])
    rmdirSync(folder)
  })
  return folder
}

function mount(folder: string, options: string): string | undefined {
  if (process.platform !== 'linux') return undefined
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder])
  return status === 0 ? folder : undefined
}
