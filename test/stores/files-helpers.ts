/** Files stores for tests: on a simulated disk, or in a process of its own that can be killed. */
import { writeSync } from 'node:fs'
import { CODEC, COMPRESSION, formOf } from '../../src/codec/form.js'
import { encodeStoredValue } from '../../src/codec/stored-value.js'
import { nodeFileSystem } from '../../src/io/node-file-system.js'
import type { Change, DataStore } from '../../src/stores/data-store.js'
import { openFilesStore } from '../../src/stores/files/open.js'

export const ALL = { from: '', to: '\xff\xff', reverse: false, limit: 1_000_000 }

const JSON_FORM = formOf(CODEC.json, COMPRESSION.none, 0)

export function markAt(lsn: number): { appliedLsn: number; appliedPosition: number } {
  return { appliedLsn: lsn, appliedPosition: lsn * 100 }
}

/** Keys that come, change, change the ending of their file, and go; of no two generations are all values alike. */
export function generation(lsn: number, keys = 8): Change[] {
  return Array.from({ length: keys }, (_, index) => {
    const key = `key-${String(index).padStart(4, '0')}\0`
    const form = (index + lsn) % 4
    if (form === 0) return { key, value: undefined }
    const text = Buffer.from(JSON.stringify(lsn))
    return { key, value: form === 1 ? encodeStoredValue({ key, lsn, form: JSON_FORM, value: text }) : text }
  })
}

/** What the store holds after that generation, and before any other. */
export function contentAt(lsn: number, keys = 8): Record<string, string> {
  const there = lsn === 0 ? [] : generation(lsn, keys).filter(({ value }) => value !== undefined)
  return Object.fromEntries(there.map(({ key, value }) => [key, value!.toString('latin1')]))
}

export async function contentOf(store: DataStore): Promise<Record<string, string>> {
  return Object.fromEntries((await store.page(ALL)).map(({ key, value }) => [key, value.toString('latin1')]))
}

/** As a process: applies generations for as long as it lives, and says what was acknowledged. */
const folder = process.argv[2]
if (folder !== undefined && process.argv[1]?.endsWith('files-helpers.js')) {
  const store = await openFilesStore(nodeFileSystem, folder)
  for (let lsn = (await store.mark()).appliedLsn + 1; ; lsn++) {
    await store.apply(generation(lsn, 40), markAt(lsn))
    writeSync(1, `${lsn}\n`)
  }
}
