/** The disks that a power cut may leave at one moment of a trace, and how each gets onto a real file system. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CrashChoice, planCrash, systematicChoices } from '../src/testing/crash-plan.js'
import { type DiskState, FileNode, type FolderNode } from '../src/testing/disk-state.js'
import { type Random, randomBelow } from '../src/testing/random.js'
import type { TraceDisk } from './trace-disk.js'

export interface LeftDisk {
  state: DiskState
  /** How it came about, for the message of a failure. */
  choice: CrashChoice
  fingerprint: string
}

/** Up to `count` different ones: nothing kept, everything kept, and others by chance, systematic and random in turn. */
export function* disksLeft(disk: TraceDisk, count: number, random: Random): Generator<LeftDisk> {
  const ops = disk.pending()
  const [nothing, everything, ...systematic] = systematicChoices(ops)
  const seen = new Set<string>()
  for (let tries = 0; tries < 3 * count && seen.size < count; tries++) {
    const choice = tries === 0 ? nothing! : tries === 1 ? everything! : choose(systematic, random)
    const state = disk.crash(planCrash(ops, choice, random))
    const fingerprint = state.fingerprint()
    if (seen.has(fingerprint)) continue
    seen.add(fingerprint)
    yield { state, choice, fingerprint }
  }
}

function choose(systematic: readonly CrashChoice[], random: Random): CrashChoice {
  if (systematic.length === 0 || random() < 0.5) return { kind: 'random' }
  return systematic[randomBelow(random, systematic.length)]!
}

/** Makes the files of a disk in a folder that is empty. */
export function materialise(state: DiskState, root: string): void {
  visit(state, '/', {
    folder: path => path !== '/' && mkdirSync(join(root, path), 0o700),
    file: (path, bytes) => writeFileSync(join(root, path), bytes, { mode: 0o600 }),
  })
}

/**
 * What is in a real folder and not so in the model, or the other way; `undefined` if they are the same. A difference
 * says that the trace has missed a call. `ignores` tells of files that are written by calls that nobody sees.
 */
export function differenceTo(state: DiskState, root: string, ignores: (path: string) => boolean): string | undefined {
  const wrong: string[] = []
  const expected = new Set<string>()
  visit(state, '/', {
    folder: path => {
      expected.add(path)
      if (!existsSync(join(root, path))) wrong.push(`${path} is not there`)
    },
    file: (path, bytes) => {
      expected.add(path)
      if (!existsSync(join(root, path))) wrong.push(`${path} is not there`)
      else if (!ignores(path) && !readFileSync(join(root, path)).equals(bytes)) wrong.push(`${path} differs`)
    },
  })
  for (const name of readdirSync(root, { recursive: true }).map(each => `/${String(each)}`)) {
    if (!expected.has(name) && !ignores(name)) wrong.push(`${name} is there`)
  }
  return wrong.length === 0 ? undefined : wrong.slice(0, 3).join(', ')
}

interface Visitor {
  folder(path: string): void
  file(path: string, bytes: Buffer): void
}

function visit(state: DiskState, path: string, visitor: Visitor): void {
  const node = state.find(path, 'visit')
  if (node === undefined) return
  if (node instanceof FileNode) {
    const bytes = Buffer.alloc(node.seen.size)
    node.seen.read(bytes, 0)
    visitor.file(path, bytes)
    return
  }
  visitor.folder(path)
  for (const name of (node as FolderNode).seen.keys()) visit(state, join(path, name), visitor)
}
