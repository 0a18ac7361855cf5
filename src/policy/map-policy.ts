/**
 * How durable a write of a map is that does not say it itself. The most specific counts:
 *
 * 1. the data class of the write;
 * 2. a rule that names keys: one of the map's own, else one of the memory;
 * 3. the map's durability, or its data class;
 * 4. a rule of the memory for the map;
 * 5. the memory's durability.
 *
 * A data class means what the most specific rule that names it says, else what `chooseDurability` does. A rule that
 * names a data class and keys speaks also of writes whose map is of that class.
 */
import type { EncodedKey } from '../core/key.js'
import { chooseDurability, isKnownClass } from './data-class.js'
import type { Durability } from './durability.js'
import { conditionsText, type DurabilityRule, type Rule } from './rules.js'

/** How durable a write is, and why. */
export interface DurabilityDecision {
  readonly durability: Durability
  /** What has decided. */
  readonly source: 'data-class' | 'map-rule' | 'memory-rule' | 'map' | 'memory'
  /** The rule that has decided, as it was given. */
  readonly rule?: DurabilityRule
  /** The same in a sentence. */
  readonly reason: string
}

export interface MapPolicyParts {
  map: string
  /** What the map says of itself: one of the two, or neither. */
  durability: Durability | undefined
  dataClass: string | undefined
  /** Both sorted, the most specific first. */
  mapRules: readonly Rule[]
  memoryRules: readonly Rule[]
  memoryDurability: Durability
  /** There is no write-ahead: what means it by itself is write-through. */
  isLogless?: boolean
}

export class MapPolicy {
  /** The map's name. */
  readonly map: string
  /** Of all keys that no rule speaks of, in writes that name no data class. */
  readonly byDefault: DurabilityDecision
  /** Whether all keys are alike. */
  readonly isConstant: boolean
  /** Rules that name keys, and no data class but the map's own. */
  readonly #keyRules: readonly Rule[]
  readonly #classRules: readonly Rule[]
  readonly #isLogless: boolean

  constructor(parts: MapPolicyParts) {
    const { map, dataClass } = parts
    this.map = map
    this.#isLogless = parts.isLogless ?? false
    const ofMemory = parts.memoryRules.filter(rule => rule.map === undefined || rule.map === map)
    const all = [...parts.mapRules, ...ofMemory]
    const rules = [...all.filter(rule => rule.pattern !== undefined), ...all.filter(rule => rule.pattern === undefined)]
    this.#classRules = rules.filter(rule => rule.dataClass !== undefined)
    this.#keyRules = rules.filter(
      rule => rule.pattern !== undefined && (rule.dataClass === undefined || rule.dataClass === dataClass),
    )
    this.isConstant = this.#keyRules.length === 0
    this.byDefault = defaultOf(parts, rules)
  }

  /** Of a key as the caller of the map gives it, in a write that may name a data class. */
  durabilityOf(key: EncodedKey, dataClass: string | undefined): Durability {
    const rule = this.#ruleFor(key, dataClass)
    if (rule !== undefined) return rule.durability
    return dataClass === undefined ? this.byDefault.durability : meaningOf(dataClass, this.#isLogless)
  }

  /** The same, with the reason. */
  decide(key: EncodedKey, dataClass: string | undefined): DurabilityDecision {
    const rule = this.#ruleFor(key, dataClass)
    if (rule !== undefined) return decidedBy(rule)
    return dataClass === undefined ? this.byDefault : knownMeaning(dataClass, 'write', this.#isLogless)
  }

  #ruleFor(key: EncodedKey, dataClass: string | undefined): Rule | undefined {
    if (dataClass === undefined) return this.#keyRules.find(({ pattern }) => pattern!.fits(key))
    return this.#classRules.find(
      rule => rule.dataClass === dataClass && (rule.pattern === undefined || rule.pattern.fits(key)),
    )
  }
}

function defaultOf(parts: MapPolicyParts, rules: readonly Rule[]): DurabilityDecision {
  const { map, durability, dataClass, memoryDurability } = parts
  if (durability !== undefined) {
    return { durability, source: 'map', reason: `The map ${JSON.stringify(map)} says ${durability}` }
  }
  // A rule of the map names keys or a data class, so that without a class the one found is of the memory.
  const rule = rules.find(each => each.pattern === undefined && each.dataClass === dataClass)
  if (rule !== undefined) return decidedBy(rule)
  if (dataClass !== undefined) return knownMeaning(dataClass, 'map', parts.isLogless ?? false)
  const reason = `Nothing more specific speaks of it, and the memory says ${memoryDurability}`
  return { durability: memoryDurability, source: 'memory', reason }
}

function meaningOf(dataClass: string, isLogless: boolean): Durability {
  const durability = chooseDurability(dataClass)
  return isLogless && durability === 'write-ahead' ? 'write-through' : durability
}

function knownMeaning(dataClass: string, of: 'map' | 'write', isLogless: boolean): DurabilityDecision {
  const durability = meaningOf(dataClass, isLogless)
  const means = isKnownClass(dataClass) ? `means ${durability}` : `is not known, which means ${durability}`
  const reason = `The data class ${JSON.stringify(dataClass)} of the ${of} ${means}`
  return { durability, source: 'data-class', reason }
}

function decidedBy({ of, durability, given }: Rule): DurabilityDecision {
  const reason = `The rule of the ${of} for ${conditionsText(given)} says ${durability}`
  return { durability, source: of === 'map' ? 'map-rule' : 'memory-rule', rule: given, reason }
}
