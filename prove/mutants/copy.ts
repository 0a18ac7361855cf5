/** Copies of the compiled code in which a bug is planted. They stand beside it, so that they find the same packages. */
import { link, mkdir, readdir, readFile, rm, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Edit, Mutant } from './mutant.js'

const BUILT = fileURLToPath(new URL('../../', import.meta.url))
const COPIED = ['src', 'prove', 'test']

/** Runs `work` with the folder of a copy that has the bug, and removes the copy. */
export async function withMutant<T>(name: string, mutant: Mutant, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = join(dirname(join(BUILT, '.')), `dist-mutant-${name}-${process.pid}`)
  try {
    for (const part of COPIED) await linkCode(join(BUILT, part), join(folder, part))
    await plant(mutant.edits, join(folder, 'src'))
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** What is wrong with the edits of a mutant for the code as it is now; empty if each finds its place. */
export async function misplaced(mutant: Mutant): Promise<string[]> {
  const wrong: string[] = []
  for (const edit of mutant.edits) {
    const places = (await readFile(join(BUILT, 'src', edit.file), 'utf8')).split(edit.find).length - 1
    if (places !== 1) wrong.push(`${edit.file} has ${places} places like: ${edit.find}`)
  }
  return wrong
}

async function plant(edits: readonly Edit[], source: string): Promise<void> {
  for (const { file, find, replace } of edits) {
    const path = join(source, file)
    const parts = (await readFile(path, 'utf8')).split(find)
    if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} places like: ${find}`)
    // Else the bug would be in the code itself as well: the copy is made of links.
    await unlink(path)
    await writeFile(path, parts.join(replace))
  }
}

async function linkCode(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true })
  for (const entry of await readdir(from, { withFileTypes: true })) {
    if (entry.isDirectory()) await linkCode(join(from, entry.name), join(to, entry.name))
    else if (isCode(entry.name)) await link(join(from, entry.name), join(to, entry.name))
  }
}

function isCode(path: string): boolean {
  // Nor the shim while it is being built: it gets another name once it is whole.
  return !/\.(map|ts|so\.\d+)$/.test(path)
}
