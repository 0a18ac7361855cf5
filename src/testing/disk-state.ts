/**
 * What is on a simulated disk: inodes, each with what readers see and what a power cut cannot take.
 *
 * Always true: what readers see is what is durable with all pending operations applied, but for clean pages that a
 * failed sync never wrote (`isDiverged`).
 */
import { hash } from 'node:crypto'
import { PAGE_BYTES, PageImage } from './page-image.js'
import {
  applyDataOp,
  applyNameOp,
  type DataOp,
  type Ino,
  type Kept,
  type NameOp,
  type PendingOp,
} from './pending-ops.js'
import { systemError } from './system-error.js'

/** What a power cut keeps of the operation with a number; nothing of those that are not in it. */
export type CrashPlan = ReadonlyMap<number, Kept>

const ROOT: Ino = 1

export class FileNode {
  readonly kind = 'file'
  readonly ino: Ino
  /** The path under which it is known, for traces. The last one once it is unlinked. */
  path: string
  seen: PageImage
  durable: PageImage
  pending: DataOp[] = []
  /** Readers see data that a failed sync has marked clean: no later sync writes it. */
  isDiverged = false
  isLinked = true
  opens = 0

  constructor(ino: Ino, path: string, seen = new PageImage(), durable = seen.share()) {
    this.ino = ino
    this.path = path
    this.seen = seen
    this.durable = durable
  }

  change(op: DataOp): void {
    this.pending.push(op)
    applyDataOp(this.seen, op)
  }

  sync(): void {
    if (this.isDiverged) for (const op of this.pending) applyDataOp(this.durable, op)
    else this.durable = this.seen.share()
    this.pending = []
  }

  /** A sync that failed after the first `bytes` of the pending data: the rest counts as clean from now on. */
  failSync(bytes: number): void {
    let left = bytes
    for (const op of this.pending) {
      if (left <= 0) break
      if (op.kind === 'truncate') applyDataOp(this.durable, op)
      else this.durable.write(op.chunk, op.chunk.position, Math.min(op.chunk.end, op.chunk.position + left))
      if (op.kind === 'write') left -= op.chunk.length
    }
    this.pending = []
    this.isDiverged = true
  }

  clone(): FileNode {
    const copy = new FileNode(this.ino, this.path, this.seen.share(), this.durable.share())
    copy.pending = [...this.pending]
    copy.isDiverged = this.isDiverged
    copy.isLinked = this.isLinked
    return copy
  }
}

export class FolderNode {
  readonly kind = 'folder'
  readonly ino: Ino
  path: string
  seen: Map<string, Ino>
  durable: Map<string, Ino>
  pending: NameOp[] = []

  constructor(ino: Ino, path: string, seen = new Map<string, Ino>(), durable = new Map(seen)) {
    this.ino = ino
    this.path = path
    this.seen = seen
    this.durable = durable
  }

  change(op: NameOp): void {
    this.pending.push(op)
    applyNameOp(this.seen, op)
  }

  sync(): void {
    for (const op of this.pending) applyNameOp(this.durable, op)
    this.pending = []
  }

  /** A sync that failed: later ones do not try these names again. */
  failSync(): void {
    this.pending = []
  }

  clone(): FolderNode {
    const copy = new FolderNode(this.ino, this.path, new Map(this.seen), new Map(this.durable))
    copy.pending = [...this.pending]
    return copy
  }
}

export type DiskNode = FileNode | FolderNode

export class DiskState {
  readonly nodes: Map<Ino, DiskNode>
  #nextIno: Ino
  #nextSeq = 1

  constructor(nodes: Map<Ino, DiskNode> = new Map([[ROOT, new FolderNode(ROOT, '/')]]), nextIno = ROOT + 1) {
    this.nodes = nodes
    this.#nextIno = nextIno
  }

  /** Adds a node of a new inode, under no name yet. */
  add(kind: 'file' | 'folder', path: string): DiskNode {
    const ino = this.#nextIno++
    const node = kind === 'file' ? new FileNode(ino, path) : new FolderNode(ino, path)
    this.nodes.set(ino, node)
    return node
  }

  nextSeq(): number {
    return this.#nextSeq++
  }

  /** What is at a path now; `undefined` if there is nothing. Throws if one of its folders is none. */
  find(path: string, syscall: string): DiskNode | undefined {
    let node: DiskNode | undefined = this.nodes.get(ROOT)
    for (const name of path.split('/').filter(part => part !== '')) {
      if (node === undefined) throw systemError('ENOENT', syscall, path)
      if (node.kind === 'file') throw systemError('ENOTDIR', syscall, path)
      const ino: Ino | undefined = node.seen.get(name)
      node = ino === undefined ? undefined : this.nodes.get(ino)
    }
    return node
  }

  /** Bytes that files take, as if zeros took room: whole pages of all that has a name or is open. */
  usedBytes(): number {
    let used = 0
    for (const node of this.nodes.values()) {
      if (node.kind === 'file' && (node.isLinked || node.opens > 0)) used += pagesOf(node.seen.size) * PAGE_BYTES
    }
    return used
  }

  /** All that a power cut may keep or drop, in the order in which it was done. */
  pending(): PendingOp[] {
    const ops: PendingOp[] = []
    for (const node of this.#reachable()) ops.push(...node.pending)
    return ops.sort((a, b) => a.seq - b.seq)
  }

  clone(): DiskState {
    const nodes = new Map<Ino, DiskNode>()
    for (const node of this.#reachable()) nodes.set(node.ino, node.clone())
    const copy = new DiskState(nodes, this.#nextIno)
    copy.#nextSeq = this.#nextSeq
    return copy
  }

  /** What a power cut leaves. */
  crash(plan: CrashPlan): DiskState {
    const nodes = new Map<Ino, DiskNode>()
    const keep = (ino: Ino, path: string): void => {
      const node = this.nodes.get(ino)
      if (node === undefined) return
      if (node.kind === 'file') {
        nodes.set(ino, new FileNode(ino, path, keptData(node, plan)))
        return
      }
      const names = keptNames(node, plan)
      nodes.set(ino, new FolderNode(ino, path, names))
      for (const [name, child] of names) keep(child, join(path, name))
    }
    keep(ROOT, '/')
    return new DiskState(nodes, this.#nextIno)
  }

  /** A hash of all durable names and content. Inode numbers do not matter. */
  fingerprint(): string {
    const lines: string[] = []
    const add = (ino: Ino, path: string): void => {
      const node = this.nodes.get(ino)
      if (node === undefined) return
      if (node.kind === 'file') {
        lines.push(`${JSON.stringify(path)} ${node.durable.fingerprint()}`)
        return
      }
      lines.push(`${JSON.stringify(path)} folder`)
      for (const [name, child] of node.durable) add(child, join(path, name))
    }
    add(ROOT, '/')
    return hash('sha1', lines.sort().join('\n'), 'hex')
  }

  /** Every node that has a name, has one on stable storage, or may get one by an operation that is pending. */
  #reachable(): DiskNode[] {
    const found = new Map<Ino, DiskNode>()
    const visit = (ino: Ino): void => {
      const node = this.nodes.get(ino)
      if (node === undefined || found.has(ino)) return
      found.set(ino, node)
      if (node.kind === 'file') return
      for (const child of node.seen.values()) visit(child)
      for (const child of node.durable.values()) visit(child)
      for (const op of node.pending) visit(op.ino)
    }
    visit(ROOT)
    return [...found.values()]
  }
}

export function pagesOf(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES)
}

export function join(folder: string, name: string): string {
  return folder === '/' ? `/${name}` : `${folder}/${name}`
}

function keptData(node: FileNode, plan: CrashPlan): PageImage {
  const image = node.durable.share()
  for (const op of node.pending) applyDataOp(image, op, plan.get(op.seq) ?? 'none')
  return image
}

function keptNames(node: FolderNode, plan: CrashPlan): Map<string, Ino> {
  const names = new Map(node.durable)
  for (const op of node.pending) if ((plan.get(op.seq) ?? 'none') !== 'none') applyNameOp(names, op)
  return names
}
