/**
 * The simulated disk's model, fed by the file calls of a real process: at every moment of a trace it knows what is
 * durable and what is pending, so that the same crash states can be made of it.
 *
 * Two models of names. In most folders a name is durable only after its folder was synced, and any subset of the
 * pending names may be. A folder that `hasSafeNames` is one of a file system such as ext4, XFS or Btrfs: a new file's
 * name is durable with the file's own sync, and changes of names become durable in their order.
 */
import { constants } from 'node:fs'
import { basename, dirname } from 'node:path/posix'
import { type CrashPlan, type DiskNode, type DiskState, FileNode, FolderNode, join } from '../src/testing/disk-state.js'
import { Chunk } from '../src/testing/page-image.js'
import { applyDataOp, applyNameOp, type Kept, type NameOp, type PendingOp } from '../src/testing/pending-ops.js'
import type { TraceCall } from './trace.js'

interface OpenFile {
  node: DiskNode
}

/** A sync that has begun: it covers what was done before. */
interface Begun {
  node: DiskNode
  upTo: number
}

export class TraceDisk {
  readonly state: DiskState
  readonly #hasSafeNames: (folder: string) => boolean
  /** By descriptor. A number that was given again belongs to the newer file. */
  readonly #open = new Map<number, OpenFile>()
  readonly #begun = new Map<number, Begun>()
  /** Number of the newest operation; those of processes before are covered by a sync as well. */
  #newest: number

  constructor(state: DiskState, hasSafeNames: (folder: string) => boolean) {
    this.state = state
    this.#hasSafeNames = hasSafeNames
    this.#newest = state.nextSeq()
  }

  /** What a power cut may do now; the disk may go on meanwhile. */
  pending(): PendingOp[] {
    return this.state.pending()
  }

  /** What is left of it if a power cut keeps so much of what is pending. */
  crash(plan: CrashPlan): DiskState {
    return this.state.crash(this.#lawful(plan))
  }

  apply(call: TraceCall): void {
    if (call.call === 'unmodelled') throw new Error(`a call that cannot be judged: ${call.path}`)
    if (call.call === 'sync' || call.call === 'dataSync') this.#sync(call)
    else if (call.error === 0) this.#change(call)
  }

  #change(call: TraceCall): void {
    const { call: kind, path, position } = call
    if (kind === 'open') this.#opened(call)
    else if (kind === 'write') this.#write(call)
    else if (kind === 'truncate') this.#truncate(this.#file(call), position)
    else if (kind === 'makeFolder') this.#create('folder', path)
    else if (kind === 'rename') this.#rename(call)
    else if (kind === 'link') this.#link(call)
    else if (kind === 'unlink' || kind === 'removeFolder') this.#unlink(path)
  }

  #opened({ path, fd, position, isCreated, isTruncated }: TraceCall): void {
    const node = isCreated ? this.#create('file', path) : this.#find(path)
    this.#open.set(fd, { node })
    if (!isTruncated) return
    if (!(node instanceof FileNode) || (position & constants.O_TRUNC) === 0) throw new Error(`${path} was not emptied`)
    this.#truncate(node, 0)
  }

  #truncate(node: FileNode, size: number): void {
    node.change({ kind: 'truncate', ...this.#op(node), size })
  }

  #write(call: TraceCall): void {
    if (call.length === 0) return
    const node = this.#file(call)
    const chunk = new Chunk(call.data ?? Buffer.alloc(call.length), call.position)
    node.change({ kind: 'write', ...this.#op(node), chunk })
  }

  #sync(call: TraceCall): void {
    if (call.isLied) return
    const node = this.#node(call)
    if (call.isBegin) {
      this.#begun.set(call.sync, { node, upTo: this.#newest })
      return
    }
    const begun = this.#begun.get(call.sync)
    this.#begun.delete(call.sync)
    if (call.error !== 0) {
      // Nobody knows what it has written: nothing is the worst.
      if (node instanceof FileNode) node.failSync(0)
      else node.failSync()
    } else if (begun === undefined) throw new Error(`a sync of ${call.path} ends that has not begun`)
    else this.#synced(begun)
  }

  #synced({ node, upTo }: Begun): void {
    const covered = node.pending.filter(op => op.seq <= upTo)
    if (node instanceof FolderNode) {
      for (const op of covered as NameOp[]) applyNameOp(node.durable, op)
      node.pending = node.pending.filter(op => op.seq > upTo)
      return
    }
    if (covered.length === node.pending.length) node.sync()
    else {
      for (const op of node.pending) if (op.seq <= upTo) applyDataOp(node.durable, op)
      node.pending = node.pending.filter(op => op.seq > upTo)
    }
    this.#nameIsSafe(node, upTo)
  }

  /** Where names are safe, that of a file that was synced is durable, if it had it before the sync began. */
  #nameIsSafe(file: FileNode, upTo: number): void {
    if (!file.isLinked || !this.#hasSafeNames(dirname(file.path))) return
    const folder = this.#folder(dirname(file.path))
    const name = basename(file.path)
    const isAbout = (op: NameOp) => op.seq <= upTo && op.kind !== 'rename' && op.name === name
    for (const op of folder.pending) if (isAbout(op)) applyNameOp(folder.durable, op)
    folder.pending = folder.pending.filter(op => !isAbout(op))
  }

  #create(kind: 'file' | 'folder', path: string): DiskNode {
    const folder = this.#folder(dirname(path))
    const node = this.state.add(kind, join(folder.path, basename(path)))
    folder.change({ kind: 'link', ...this.#op(folder), name: basename(path), ino: node.ino })
    return node
  }

  #rename({ path, to }: TraceCall): void {
    const folder = this.#folder(dirname(path))
    if (dirname(to) !== folder.path) throw new Error(`a rename between folders cannot be judged: ${path} to ${to}`)
    const node = this.#find(path)
    if (!(node instanceof FileNode)) throw new Error(`a rename of a folder cannot be judged: ${path}`)
    const replaced = this.state.find(to, 'rename')
    const [from, name] = [basename(path), basename(to)]
    folder.change({ kind: 'rename', ...this.#op(folder), from, to: name, ino: node.ino, replaced: replaced?.ino })
    if (replaced instanceof FileNode) replaced.isLinked = false
    node.path = to
  }

  #unlink(path: string): void {
    const node = this.#find(path)
    const folder = this.#folder(dirname(path))
    folder.change({ kind: 'unlink', ...this.#op(folder), name: basename(path), ino: node.ino })
    if (!(node instanceof FileNode)) return
    const other = [...folder.seen].find(([, ino]) => ino === node.ino)
    if (other === undefined) node.isLinked = false
    else node.path = join(folder.path, other[0])
  }

  /** A second name: what is written under either is one file. */
  #link({ path, to }: TraceCall): void {
    const folder = this.#folder(dirname(path))
    if (dirname(to) !== folder.path) throw new Error(`a link between folders cannot be judged: ${path} to ${to}`)
    const node = this.#find(path)
    folder.change({ kind: 'link', ...this.#op(folder), name: basename(to), ino: node.ino })
  }

  /** A plan as the folders allow it: where names are safe, none is kept that came after one that is not. */
  #lawful(plan: CrashPlan): CrashPlan {
    const lawful = new Map<number, Kept>(plan)
    for (const node of this.state.nodes.values()) {
      if (!(node instanceof FolderNode) || !this.#hasSafeNames(node.path)) continue
      let isKept = true
      for (const { seq } of node.pending) {
        isKept &&= (plan.get(seq) ?? 'none') !== 'none'
        if (!isKept) lawful.set(seq, 'none')
      }
    }
    return lawful
  }

  #op(node: DiskNode): { seq: number; owner: number } {
    this.#newest = this.state.nextSeq()
    return { seq: this.#newest, owner: node.ino }
  }

  #find(path: string): DiskNode {
    const node = this.state.find(path, 'find')
    if (node === undefined) throw new Error(`the trace has a call on ${path}, which it has not made`)
    return node
  }

  #folder(path: string): FolderNode {
    const node = this.#find(path)
    if (node instanceof FolderNode) return node
    throw new Error(`${path} is a file in which the trace makes files`)
  }

  #node(call: TraceCall): DiskNode {
    const open = this.#open.get(call.fd)
    if (open === undefined) throw new Error(`the trace has a call on ${call.path}, which it has not opened`)
    return open.node
  }

  #file(call: TraceCall): FileNode {
    const node = this.#node(call)
    if (node instanceof FileNode) return node
    throw new Error(`the trace writes to ${call.path}, which is a folder`)
  }
}
