/** Durabilities for parts of a map: the longest rule that is a whole-segment prefix of the key decides. */
import type { EncodedKey } from '../core/key.js'
import type { Durability } from './durability.js'

export interface EncodedRule {
  prefix: EncodedKey
  durability: Durability
}

export class KeyRules {
  readonly #rules: readonly EncodedRule[]

  constructor(rules: readonly EncodedRule[]) {
    this.#rules = [...rules].sort((a, b) => b.prefix.length - a.prefix.length)
  }

  get isEmpty(): boolean {
    return this.#rules.length === 0
  }

  /** The durability that the rules give a key; `undefined` if none of them speaks of it. */
  durabilityOf(key: EncodedKey): Durability | undefined {
    for (const rule of this.#rules) {
      // An escaped NUL goes on with FF: then the last segment is a longer one.
      if (key.startsWith(rule.prefix) && key.charCodeAt(rule.prefix.length) !== 0xff) return rule.durability
    }
    return undefined
  }
}
