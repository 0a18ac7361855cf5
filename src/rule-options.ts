/** The rules of a memory or a map, checked. */
import { WrongCallError } from './core/errors.js'
import { badOption, checkObject, parseDataClass, parseDurability, parseName } from './option-checks.js'
import { Pattern } from './policy/key-pattern.js'
import { conditionsText, contradiction, type DurabilityRule, type Rule, sortRules } from './policy/rules.js'

const CONDITIONS = { memory: ['map', 'prefix', 'dataClass'], map: ['prefix', 'dataClass'] } as const

/**
 * Checks rules, and sorts them, the most specific first.
 *
 * @throws WrongCallError INVALID_OPTION, UNKNOWN_OPTION, INVALID_KEY or INVALID_NAME
 */
export function parseRules(rules: unknown, of: 'map' | 'memory'): Rule[] {
  if (!Array.isArray(rules)) throw badRules(rules, of)
  const parsed = rules.map(rule => parseRule(rule, of))
  const [first, second] = contradiction(parsed) ?? []
  if (first === undefined || second === undefined) return sortRules(parsed)
  throw new WrongCallError('INVALID_OPTION', {
    message: `Two rules for ${conditionsText(first.given)} contradict each other: ${first.durability} and ${second.durability}`,
    next: 'Remove one of them, or make one more specific',
  })
}

function parseRule(rule: unknown, of: 'map' | 'memory'): Rule {
  checkObject(rule, 'a rule', [...CONDITIONS[of], 'durability'])
  const { map, prefix, dataClass, durability: given } = rule as Partial<DurabilityRule>
  const durability = parseDurability(given)
  if (durability === undefined || (map ?? prefix ?? dataClass) === undefined) throw badRules(JSON.stringify(rule), of)
  if (map !== undefined) parseName(map)
  const pattern = prefix === undefined ? undefined : new Pattern(prefix)
  parseDataClass(dataClass)
  return { of, map, pattern, dataClass, durability, given: copyOf(rule as DurabilityRule) }
}

/** The caller may change its rules afterwards, which changes nothing here. */
function copyOf(rule: DurabilityRule): DurabilityRule {
  const { prefix } = rule
  return Object.freeze({ ...rule, ...(Array.isArray(prefix) && { prefix: Object.freeze([...prefix]) }) })
}

function badRules(rules: unknown, of: 'map' | 'memory'): WrongCallError {
  return badOption('rules', rules, `an array of { durability } with at least one of ${CONDITIONS[of].join(', ')}`)
}
