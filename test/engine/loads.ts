/** A source that maps load from: it counts, and may be held up, fail or change. */
import type { Key, LoadContext } from '../../src/index.js'

interface Call {
  key: Key
  context: LoadContext
  /** Lets the call go on, with what the source has by then. */
  go(): void
  /** Lets it give this. */
  give(value: unknown): void
  fail(error: unknown): void
}

export class Source {
  /** What it has, by the key as text; what it does not have is absent. */
  readonly values = new Map<string, unknown>()
  readonly calls: Call[] = []
  /** Calls wait to be let go. */
  isHeld = false
  error: unknown

  /** For the option `load`. */
  readonly load = (key: Key, context: LoadContext): unknown => {
    const text = String(key)
    const result = new Promise((resolve, reject) => {
      const go = () => (this.error === undefined ? resolve(this.values.get(text)) : reject(this.error))
      this.calls.push({ key, context, go, give: resolve, fail: reject })
    })
    if (!this.isHeld) this.last.go()
    return result
  }

  get last(): Call {
    return this.calls.at(-1)!
  }

  /** How often it was asked since this was last read. */
  asked(): number {
    const count = this.calls.length - this.#seen
    this.#seen = this.calls.length
    return count
  }

  #seen = 0
}
