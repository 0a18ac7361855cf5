/** The namespaces of a store, in the order of their labels: a walk that leaps from each to the next, past all items between. */
import type { MatchCondition } from '@langchain/langgraph-checkpoint'
import type { StoreHome } from './store-home.js'
import { behindAll, behindItems, type ItemKey, partsOfKey } from './store-keys.js'
import type { List } from './store-operations.js'

/** An entry that has expired or was deleted takes a place on a page; few do. */
const PAGE_SIZE = 8

export async function listNamespaces(
  home: StoreHome,
  { conditions, maxDepth, limit, offset }: List,
): Promise<string[][]> {
  const found: string[][] = []
  const lead = leadOf(conditions)
  let skipped = 0
  let from: ItemKey | undefined
  while (found.length < limit) {
    const namespace = await firstFrom(home, lead, from)
    if (namespace === undefined) break
    const outside = depthOutside(namespace, conditions)
    if (outside !== undefined) {
      // Whatever is below these labels is outside of the condition as well.
      from = behindAll(namespace.slice(0, outside))
    } else if (!conditions.every(condition => isMatch(namespace, condition))) {
      from = behindItems(namespace)
    } else {
      const isCut = maxDepth !== undefined && namespace.length >= maxDepth
      const shown = isCut ? namespace.slice(0, maxDepth) : namespace
      from = isCut ? behindAll(shown) : behindItems(shown)
      if (skipped++ >= offset) found.push(shown)
    }
  }
  return found
}

async function firstFrom(
  home: StoreHome,
  lead: readonly string[],
  from: ItemKey | undefined,
): Promise<string[] | undefined> {
  const range = {
    pageSize: PAGE_SIZE,
    ...(lead.length > 0 && { prefix: lead }),
    ...(from !== undefined && { gte: from }),
  }
  for await (const { key } of home.items.entries(range)) return partsOfKey(key).namespace
  return undefined
}

/** The labels that all namespaces have to start with, as far as they are said. */
function leadOf(conditions: readonly MatchCondition[]): readonly string[] {
  let lead: readonly string[] = []
  for (const { matchType, path } of conditions) {
    if (matchType !== 'prefix') continue
    const wildcard = path.indexOf('*')
    const said = wildcard === -1 ? path : path.slice(0, wildcard)
    if (said.length > lead.length) lead = said
  }
  return lead
}

/** How many labels of a namespace it takes to see that nothing that starts with them has the prefix of a condition. */
function depthOutside(namespace: readonly string[], conditions: readonly MatchCondition[]): number | undefined {
  for (const { matchType, path } of conditions) {
    if (matchType !== 'prefix') continue
    const at = path.findIndex((label, index) => index < namespace.length && label !== '*' && label !== namespace[index])
    if (at !== -1) return at + 1
  }
  return undefined
}

function isMatch(namespace: readonly string[], { matchType, path }: MatchCondition): boolean {
  const start = matchType === 'prefix' ? 0 : namespace.length - path.length
  if (path.length > namespace.length) return false
  return path.every((label, at) => label === '*' || label === namespace[start + at])
}
