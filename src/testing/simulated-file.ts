/** An open file of a simulated disk. */
import type { File } from '../io/file-system.js'
import { type CallGate, throwFault } from './call-gate.js'
import type { CallKind, Fault } from './disk-faults.js'
import { type DiskState, type FileNode, pagesOf } from './disk-state.js'
import { Chunk, PAGE_BYTES } from './page-image.js'
import { systemError } from './system-error.js'

/** What a file uses of its disk. */
export interface FileHome {
  gate: CallGate
  state: DiskState
  capacityBytes(): number | undefined
}

export class SimulatedFile implements File {
  readonly #home: FileHome
  readonly #node: FileNode
  readonly #isWritable: boolean
  #isClosed = false

  constructor(home: FileHome, node: FileNode, isWritable: boolean) {
    this.#home = home
    this.#node = node
    this.#isWritable = isWritable
    node.opens += 1
  }

  size(): Promise<number> {
    return this.#pass('size', 0, () => this.#node.seen.size)
  }

  read(buffer: Buffer, position: number): Promise<number> {
    return this.#pass('read', buffer.length, fault => {
      throwFault(fault, 'read', this.#node.path)
      return this.#node.seen.read(buffer.subarray(0, taken(buffer, fault)), position)
    })
  }

  write(buffer: Buffer, position: number): Promise<number> {
    return this.#pass('write', buffer.length, fault => this.#write(buffer, position, fault))
  }

  writeNow(buffer: Buffer, position: number): number {
    return this.#home.gate.passNow('write', this.#node.path, buffer.length, fault => {
      this.#checkOpen('write')
      return this.#write(buffer, position, fault)
    })
  }

  dataSync(): Promise<void> {
    return this.#pass('dataSync', 0, fault => this.#sync('dataSync', fault))
  }

  dataSyncNow(): void {
    this.#home.gate.passNow('dataSync', this.#node.path, 0, fault => {
      this.#checkOpen('dataSync')
      this.#sync('dataSync', fault)
    })
  }

  sync(): Promise<void> {
    return this.#pass('sync', 0, fault => this.#sync('sync', fault))
  }

  truncate(size: number): Promise<void> {
    return this.#pass('truncate', 0, () => {
      this.#checkWritable('truncate')
      this.#checkRoom('truncate', size)
      this.#node.change({ kind: 'truncate', seq: this.#home.state.nextSeq(), owner: this.#node.ino, size })
    })
  }

  close(): Promise<void> {
    return this.#pass('close', 0, () => {
      this.#isClosed = true
      this.#node.opens -= 1
    })
  }

  #pass<T>(kind: CallKind, bytes: number, effect: (fault: Fault | undefined) => T): Promise<T> {
    return this.#home.gate.pass(kind, this.#node.path, bytes, fault => {
      this.#checkOpen(kind)
      return effect(fault)
    })
  }

  #write(buffer: Buffer, position: number, fault: Fault | undefined): number {
    this.#checkWritable('write')
    const bytes = buffer.subarray(0, taken(buffer, fault))
    if (bytes.length > 0) {
      this.#checkRoom('write', position + bytes.length)
      const seq = this.#home.state.nextSeq()
      this.#node.change({ kind: 'write', seq, owner: this.#node.ino, chunk: new Chunk(bytes, position) })
    }
    throwFault(fault, 'write', this.#node.path)
    return bytes.length
  }

  #sync(kind: CallKind, fault: Fault | undefined): void {
    if (fault?.error === 'lie') return
    if (fault?.error === 'EIO' || fault?.error === 'ENOSPC') this.#node.failSync(fault.partial ?? 0)
    else this.#node.sync()
    throwFault(fault, kind, this.#node.path)
  }

  #checkOpen(kind: CallKind): void {
    if (this.#isClosed) throw systemError('EBADF', kind, this.#node.path)
  }

  #checkWritable(kind: CallKind): void {
    if (!this.#isWritable) throw systemError('EBADF', kind, this.#node.path)
    if (this.#home.gate.readOnly) throw systemError('EROFS', kind, this.#node.path)
  }

  #checkRoom(kind: CallKind, end: number): void {
    const capacity = this.#home.capacityBytes()
    const more = (pagesOf(end) - pagesOf(this.#node.seen.size)) * PAGE_BYTES
    if (capacity === undefined || more <= 0) return
    if (this.#home.state.usedBytes() + more > capacity) throw systemError('ENOSPC', kind, this.#node.path)
  }
}

/** How many bytes of a buffer a read or write takes under a fault. */
function taken(buffer: Buffer, fault: Fault | undefined): number {
  if (fault === undefined || fault.error === 'hang' || fault.error === 'lie') return buffer.length
  if (fault.error !== 'short') return Math.min(buffer.length, fault.partial ?? 0)
  // A short call takes something, or its caller would take it for an error or for the end of the file.
  return Math.min(buffer.length, Math.max(1, fault.partial ?? Math.floor(buffer.length / 2)))
}
