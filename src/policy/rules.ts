/** Rules: durabilities for maps, for keys that fit a pattern, and for data classes; the most specific one counts. */
import type { DataClass } from './data-class.js'
import type { Durability } from './durability.js'
import { type KeyPattern, type Pattern, patternText } from './key-pattern.js'

/** A rule of a memory. It speaks of the writes that meet all of its conditions; it has at least one. */
export interface DurabilityRule {
  /** The name of a map. @defaultValue all maps */
  map?: string
  /** What keys start with, by whole segments, as the caller of the map gives them: without the scope. */
  prefix?: KeyPattern
  /** The data class of the write, or of its map. */
  dataClass?: DataClass
  durability: Durability
}

/** A rule of a map: it speaks of that map alone. */
export type MapRule = Omit<DurabilityRule, 'map'>

/** A rule, checked. */
export interface Rule {
  of: 'map' | 'memory'
  map: string | undefined
  pattern: Pattern | undefined
  dataClass: string | undefined
  durability: Durability
  given: DurabilityRule
}

/** The most specific first: what names keys, then maps, the more specific pattern, then what names a data class. */
export function sortRules(rules: readonly Rule[]): Rule[] {
  return [...rules].sort(
    (a, b) =>
      namedFirst(a.pattern, b.pattern) ||
      namedFirst(a.map, b.map) ||
      (a.pattern && b.pattern ? a.pattern.compare(b.pattern) : 0) ||
      namedFirst(a.dataClass, b.dataClass),
  )
}

/** Two rules with equal conditions and different durabilities, if there are any. */
export function contradiction(rules: readonly Rule[]): [Rule, Rule] | undefined {
  const byConditions = new Map<string, Rule>()
  for (const rule of rules) {
    const conditions = conditionsOf(rule)
    const first = byConditions.get(conditions)
    if (first !== undefined && first.durability !== rule.durability) return [first, rule]
    byConditions.set(conditions, rule)
  }
  return undefined
}

/** Equal for rules that mean the same, in whatever order they were given. */
export function identityOf(rules: readonly Rule[]): string {
  return JSON.stringify([...new Set(rules.map(rule => `${rule.durability} ${conditionsOf(rule)}`))].sort())
}

/** What a rule speaks of, as people read it. */
export function conditionsText({ map, prefix, dataClass }: DurabilityRule): string {
  const parts: string[] = []
  if (map !== undefined) parts.push(`the map ${JSON.stringify(map)}`)
  if (prefix !== undefined) parts.push(`keys that start with ${patternText(prefix)}`)
  if (dataClass !== undefined) parts.push(`the data class ${JSON.stringify(dataClass)}`)
  return parts.join(', ')
}

function conditionsOf({ map, pattern, dataClass }: Rule): string {
  return JSON.stringify([map ?? null, pattern ?? null, dataClass ?? null])
}

function namedFirst(a: unknown, b: unknown): number {
  return Number(a === undefined) - Number(b === undefined)
}
