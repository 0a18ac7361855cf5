/**
 * The door that every call of a simulated disk goes through: it is counted, shown to whoever watches, delayed or made
 * to fail, and held for ever once the power is off.
 */
import { type CallKind, type DiskCall, type Fault, Faults } from './disk-faults.js'
import { systemError } from './system-error.js'

/** Kinds that decide themselves what an injected error leaves behind. */
const HANDLES_FAULTS = new Set<CallKind>(['dataSync', 'read', 'sync', 'syncFolder', 'write'])

const NEVER = new Promise<never>(() => {})

export class CallGate {
  readonly faults = new Faults()
  /** Called before each call takes effect. It may copy the disk, or switch it off: then the call has no effect. */
  onCall: ((call: DiskCall) => void) | undefined
  /** Awaited before each asynchronous call takes effect. Without it calls take effect at once, in order. */
  delay: ((call: DiskCall) => Promise<void> | undefined) | undefined
  /** Every change fails with EROFS. */
  readOnly = false
  #calls = 0
  #isOff = false
  #hanging: (() => void)[] = []

  /** How many calls there have been. */
  get calls(): number {
    return this.#calls
  }

  get isOff(): boolean {
    return this.#isOff
  }

  /** From now on no call settles and nothing changes; a call on the calling thread throws. */
  powerOff(): void {
    this.#isOff = true
  }

  /** Lets the calls go on that hang by a fault. */
  releaseHangs(): void {
    const hanging = this.#hanging
    this.#hanging = []
    for (const release of hanging) release()
  }

  /** Lets one asynchronous call through. For the disk and its files. */
  async pass<T>(kind: CallKind, path: string, bytes: number, effect: (fault: Fault | undefined) => T): Promise<T> {
    if (this.#isOff) return NEVER
    const { call, fault } = this.#begin(kind, path, bytes)
    const delay = this.delay?.(call)
    if (delay !== undefined) await delay
    if (fault?.error === 'hang') await new Promise<void>(resolve => this.#hanging.push(resolve))
    if (this.#isOff) return NEVER
    return effect(fault)
  }

  /** Lets one call on the calling thread through. */
  passNow<T>(kind: CallKind, path: string, bytes: number, effect: (fault: Fault | undefined) => T): T {
    const checkPower = () => {
      if (this.#isOff) throw new Error(`The power of the simulated disk is off: ${kind} '${path}'`)
    }
    checkPower()
    const { fault } = this.#begin(kind, path, bytes)
    checkPower()
    if (fault?.error === 'hang') throw new Error(`A call on the calling thread cannot hang: ${kind} '${path}'`)
    return effect(fault)
  }

  #begin(kind: CallKind, path: string, bytes: number): { call: DiskCall; fault: Fault | undefined } {
    const call = { index: this.#calls++, kind, path, bytes }
    this.onCall?.(call)
    const fault = this.faults.hit(call)
    if (fault !== undefined && !HANDLES_FAULTS.has(kind)) throwFault(fault, kind, path)
    return { call, fault }
  }
}

/** Throws the error that a fault stands for, if it is one. */
export function throwFault(fault: Fault | undefined, kind: CallKind, path: string): void {
  if (fault?.error === 'EIO' || fault?.error === 'ENOSPC') throw systemError(fault.error, kind, path)
}
