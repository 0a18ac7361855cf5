/**
 * A disk in RAM that forgets, at a power cut, what a real one may forget.
 *
 * Of each file it keeps what is durable and, apart from it, every write and truncate since the last sync; of each
 * folder the durable names and every change of them since the last `syncFolder`. Readers see all of it, as through the
 * page cache. Data stays with its inode, so a rename takes pending writes along. The name model is strict: **a name is
 * durable only after its folder was synced**, whatever was synced of the file, though ext4 and others often do more.
 *
 * `crash` makes the disk that a power cut leaves. `clone` makes an equal disk with nothing open or locked, which is
 * what a killed process leaves. Both cost little: pages are shared until they are written.
 */
import { basename, dirname } from 'node:path/posix'
import type { File, FileLock, FileSystem } from '../io/file-system.js'
import { CallGate, throwFault } from './call-gate.js'
import { type CrashChoice, planCrash } from './crash-plan.js'
import type { CallKind } from './disk-faults.js'
import { type DiskNode, DiskState, FileNode, type FolderNode, join } from './disk-state.js'
import type { PendingOp } from './pending-ops.js'
import type { Random } from './random.js'
import { SimulatedFile } from './simulated-file.js'
import { systemError } from './system-error.js'

export interface SimulatedDiskOptions {
  /** Room for the pages of all files, zeros included. A write that needs more fails with ENOSPC. */
  capacityBytes?: number | undefined
}

export class SimulatedDisk extends CallGate implements FileSystem {
  /** May be changed at any time: a disk can fill up, and somebody can make room. */
  capacityBytes: number | undefined
  readonly #state: DiskState
  readonly #locked = new Set<number>()

  /** An empty disk, with the folder `/` only. `state` is for copies. */
  constructor({ capacityBytes }: SimulatedDiskOptions = {}, state = new DiskState()) {
    super()
    this.capacityBytes = capacityBytes
    this.#state = state
  }

  /** All that a power cut may take now, in the order in which it was done. */
  unsynced(): PendingOp[] {
    return this.#state.pending()
  }

  /** A disk that holds what one legal power cut leaves now. This one goes on as it was. */
  crash(random: Random, choice: CrashChoice = { kind: 'random' }): SimulatedDisk {
    return this.#copy(this.#state.crash(planCrash(this.unsynced(), choice, random)))
  }

  /** An equal disk, unsynced state included, with nothing open, locked, counted, watched or due to fail. */
  clone(): SimulatedDisk {
    return this.#copy(this.#state.clone())
  }

  /** A hash of all names and data that are durable: equal for equal disks. */
  fingerprint(): string {
    return this.#state.fingerprint()
  }

  makeFolder(path: string): Promise<void> {
    return this.pass('makeFolder', path, 0, () => void this.#create('folder', path, 'makeFolder'))
  }

  list(path: string): Promise<string[]> {
    return this.pass('list', path, 0, () => [...this.#folder(path, 'list', path).seen.keys()])
  }

  open(path: string, how: 'read' | 'write' | 'create'): Promise<File> {
    return this.pass('open', path, 0, () => {
      if (how === 'create') return this.#openNode(this.#createFile(path, 'open'), true)
      if (how === 'write') this.#checkWritable('open', path)
      const node = this.#existing(path, 'open')
      if (node.kind === 'folder') throw systemError('EISDIR', 'open', path)
      return this.#openNode(node, how === 'write')
    })
  }

  rename(from: string, to: string): Promise<void> {
    return this.pass('rename', from, 0, () => this.#rename(from, to))
  }

  unlink(path: string): Promise<void> {
    return this.pass('unlink', path, 0, () => {
      this.#checkWritable('unlink', path)
      const node = this.#existing(path, 'unlink')
      if (node.kind === 'folder') throw systemError('EISDIR', 'unlink', path)
      const folder = this.#folder(dirname(path), 'unlink', path)
      folder.change({ kind: 'unlink', ...this.#op(folder), name: basename(path), ino: node.ino })
      node.isLinked = false
    })
  }

  syncFolder(path: string): Promise<void> {
    return this.pass('syncFolder', path, 0, fault => {
      const folder = this.#folder(path, 'syncFolder', path)
      if (fault?.error === 'lie') return
      if (fault?.error === 'EIO' || fault?.error === 'ENOSPC') folder.failSync()
      else folder.sync()
      throwFault(fault, 'syncFolder', path)
    })
  }

  lock(path: string): Promise<FileLock | undefined> {
    return this.pass('lock', path, 0, () => {
      this.#checkWritable('lock', path)
      const node = this.#state.find(path, 'lock') ?? this.#createFile(path, 'lock')
      if (node.kind === 'folder') throw systemError('EISDIR', 'lock', path)
      if (this.#locked.has(node.ino)) return undefined
      this.#locked.add(node.ino)
      return this.#lockOf(node)
    })
  }

  kindOf(path: string): Promise<string> {
    return this.pass('kindOf', path, 0, () => {
      this.#existing(path, 'kindOf')
      return 'simulated'
    })
  }

  #copy(state: DiskState): SimulatedDisk {
    const copy = new SimulatedDisk({ capacityBytes: this.capacityBytes }, state)
    copy.readOnly = this.readOnly
    return copy
  }

  #openNode(node: FileNode, isWritable: boolean): SimulatedFile {
    return new SimulatedFile(
      { gate: this, state: this.#state, capacityBytes: () => this.capacityBytes },
      node,
      isWritable,
    )
  }

  #lockOf(node: FileNode): FileLock {
    const file = this.#openNode(node, true)
    let isHeld = true
    return {
      write: async text => {
        const bytes = Buffer.from(text, 'utf8')
        for (let done = 0; done < bytes.length; ) done += await file.write(bytes.subarray(done), done)
        await file.truncate(bytes.length)
      },
      release: async () => {
        if (!isHeld) return
        await file.close()
        isHeld = false
        this.#locked.delete(node.ino)
      },
    }
  }

  #createFile(path: string, kind: CallKind): FileNode {
    const node = this.#create('file', path, kind)
    if (node instanceof FileNode) return node
    throw systemError('EISDIR', kind, path)
  }

  #create(what: 'file' | 'folder', path: string, kind: CallKind): DiskNode {
    this.#checkWritable(kind, path)
    if (this.#state.find(path, kind) !== undefined) throw systemError('EEXIST', kind, path)
    const folder = this.#folder(dirname(path), kind, path)
    const node = this.#state.add(what, join(folder.path, basename(path)))
    folder.change({ kind: 'link', ...this.#op(folder), name: basename(path), ino: node.ino })
    return node
  }

  #rename(from: string, to: string): void {
    this.#checkWritable('rename', from)
    const node = this.#existing(from, 'rename')
    const folder = this.#folder(dirname(from), 'rename', from)
    // Between folders a rename is durable in two steps of sync. Nobody here needs that, so it is not modelled.
    if (this.#folder(dirname(to), 'rename', to) !== folder) throw systemError('EXDEV', 'rename', from)
    const replaced = this.#state.find(to, 'rename')
    if (replaced === node) return
    if (replaced !== undefined) checkReplaceable(node, replaced, to)
    folder.change({
      kind: 'rename',
      ...this.#op(folder),
      from: basename(from),
      to: basename(to),
      ino: node.ino,
      replaced: replaced?.ino,
    })
    if (replaced?.kind === 'file') replaced.isLinked = false
    this.#relocate(node, join(folder.path, basename(to)))
  }

  #relocate(node: DiskNode, path: string): void {
    node.path = path
    if (node.kind === 'file') return
    for (const [name, ino] of node.seen) {
      const child = this.#state.nodes.get(ino)
      if (child !== undefined) this.#relocate(child, join(path, name))
    }
  }

  #op(folder: FolderNode): { seq: number; owner: number } {
    return { seq: this.#state.nextSeq(), owner: folder.ino }
  }

  #existing(path: string, kind: CallKind): DiskNode {
    const node = this.#state.find(path, kind)
    if (node === undefined) throw systemError('ENOENT', kind, path)
    return node
  }

  /** `named` is the path that an error names. */
  #folder(path: string, kind: CallKind, named: string): FolderNode {
    const node = this.#state.find(path, kind)
    if (node === undefined) throw systemError('ENOENT', kind, named)
    if (node.kind === 'file') throw systemError('ENOTDIR', kind, named)
    return node
  }

  #checkWritable(kind: CallKind, path: string): void {
    if (this.readOnly) throw systemError('EROFS', kind, path)
  }
}

function checkReplaceable(node: DiskNode, replaced: DiskNode, path: string): void {
  if (node.kind === 'file' && replaced.kind === 'folder') throw systemError('EISDIR', 'rename', path)
  if (node.kind === 'folder' && replaced.kind === 'file') throw systemError('ENOTDIR', 'rename', path)
  if (replaced.kind === 'folder' && replaced.seen.size > 0) throw systemError('ENOTEMPTY', 'rename', path)
}
