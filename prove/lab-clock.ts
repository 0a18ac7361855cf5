/** Time for a workload on a simulated disk: moved by hand, and a disk can be made to look slow. */
import { ManualClock } from '../src/testing/manual-clock.js'

export class LabClock extends ManualClock {
  #heldUpMs = 0

  /** A sync has taken so long. Only ages see it and no timer fires: nothing else runs while a call holds the thread. */
  holdUp(ms: number): void {
    this.#heldUpMs += ms
  }

  override monotonicMs(): number {
    return super.monotonicMs() + this.#heldUpMs
  }

  /** Time without what syncs have taken. */
  get timerMs(): number {
    return super.monotonicMs()
  }
}

/** Lets everything run that is ready, and what that makes ready, a few times over. */
export async function turns(count: number): Promise<void> {
  for (let done = 0; done < count; done++) await new Promise(resolve => setImmediate(resolve))
}
