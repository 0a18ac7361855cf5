/**
 * Plays a plan into a memory, as agents do: several runs at a time, and a run goes on with its next turn once the state
 * of the one before is safe.
 */
import type { WriteResult } from '../src/index.js'
import type { DemoMaps } from './memory.js'
import type { Op, Plan, Step } from './plan.js'

export interface Listener {
  /** Called before the writes up to `end`, not included, are made. */
  issuing(end: number): void
  /** A write was acknowledged, `ms` after its call. */
  acknowledged(index: number, result: WriteResult, ms: number): void
}

/** Writes that wait for the disk at a time. */
const IN_FLIGHT_MAX = 16

export class Player {
  readonly #plan: Plan
  readonly #maps: DemoMaps
  readonly #listener: Listener
  readonly #acknowledged: Uint8Array
  readonly #from: number
  #step: number
  #inFlight = 0
  #unanswered = 0
  #waitsForTurn = false
  #end: { resolve: () => void; reject: (error: unknown) => void } | undefined

  /** `from` is the first step to play: all before it is known to be safe. */
  constructor(plan: Plan, maps: DemoMaps, from: number, listener: Listener) {
    this.#plan = plan
    this.#maps = maps
    this.#listener = listener
    this.#step = from
    this.#from = plan.steps[from]?.from ?? plan.ops.length
    this.#acknowledged = new Uint8Array(plan.ops.length)
  }

  /** Resolves once everything is acknowledged. */
  play(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#end = { resolve, reject }
      this.#goOn()
    })
  }

  /**
   * Makes writes until one of them has to wait for the disk; then one more step at each turn of the event loop. So there
   * is a write in flight at any moment, told or not, until the plan ends.
   */
  #goOn(): void {
    while (this.#canStep()) {
      this.#makeStep(this.#plan.steps[this.#step++]!)
      if (this.#inFlight > 0) break
    }
    if (this.#unanswered === 0 && this.#step === this.#plan.steps.length) this.#end?.resolve()
    if (this.#waitsForTurn || !this.#canStep()) return
    this.#waitsForTurn = true
    setImmediate(() => {
      this.#waitsForTurn = false
      this.#goOn()
    })
  }

  #canStep(): boolean {
    const step = this.#plan.steps[this.#step]
    if (step === undefined || this.#inFlight >= IN_FLIGHT_MAX) return false
    return step.after === undefined || step.after < this.#from || this.#acknowledged[step.after] === 1
  }

  #makeStep({ from, to }: Step): void {
    this.#listener.issuing(to)
    for (let index = from; index < to; index++) this.#write(index, this.#plan.ops[index]!)
  }

  #write(index: number, { map, key, value, durability }: Op): void {
    // A write-back is acknowledged at once, so it is not in flight, unless its loss bound holds it back.
    const waits = durability !== 'write-back'
    if (waits) this.#inFlight += 1
    this.#unanswered += 1
    const started = performance.now()
    this.#maps[map].set(key, value).then(
      result => {
        const ms = performance.now() - started
        this.#acknowledged[index] = 1
        this.#unanswered -= 1
        if (waits) {
          this.#inFlight -= 1
          // The next write is made before this acknowledgement is told.
          if (this.#inFlight === 0) this.#goOn()
        }
        this.#listener.acknowledged(index, result, ms)
        if (waits || this.#unanswered === 0) this.#goOn()
      },
      error => this.#end?.reject(error),
    )
  }
}
