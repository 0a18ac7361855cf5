/** What there is: threads, the namespaces of a thread, the checkpoints of namespaces. */
import { checkpointsIn, type StateMap } from './checkpoints.js'
import { type Home, threadIdOf } from './home.js'
import { HEADS, type MapKey } from './keys.js'
import { checkId } from './options.js'

/** A text behind every other one. */
const LAST = '\u{10ffff}'

export interface At {
  readonly namespace: string
  readonly id: string
}

export async function* threadIdsOf({ map }: Home): AsyncGenerator<string> {
  for await (const { key, value } of map.entries({ prefix: HEADS })) yield threadIdOf(key, value)
}

export async function namespacesOf(map: StateMap, generation: string): Promise<string[]> {
  const found = new Map<string, string>()
  let last: MapKey | undefined
  for (;;) {
    const prefix = [generation, 'c']
    const page = map.entries({ prefix, limit: 1, ...(last === undefined ? {} : { gt: last }) })
    const { value: entry } = await page.next()
    if (entry === undefined) return [...found.values()]
    const segment = entry.key[2]!
    // One key of each namespace will do; ids behind the last text are stepped over one by one.
    last = found.has(segment) ? entry.key : [...prefix, segment, LAST]
    found.set(segment, ((entry.value as unknown[])[5] as string | undefined) ?? segment)
  }
}

/** The checkpoints of some namespaces, the newest first, with ids below a bound. */
export async function* idsOf(
  map: StateMap,
  generation: string,
  namespaces: readonly string[],
  before: string | undefined,
): AsyncGenerator<At> {
  const walks = namespaces.map(namespace => walk(map, generation, namespace, before))
  const heads = await Promise.all(walks.map(async each => (await each.next()).value ?? undefined))
  for (;;) {
    let first = -1
    for (const [at, head] of heads.entries()) {
      if (head !== undefined && (first === -1 || head.id > heads[first]!.id)) first = at
    }
    if (first === -1) return
    yield heads[first]!
    heads[first] = (await walks[first]!.next()).value ?? undefined
  }
}

async function* walk(
  map: StateMap,
  generation: string,
  namespace: string,
  before: string | undefined,
): AsyncGenerator<At, undefined> {
  const range = checkpointsIn(generation, namespace)
  const bound = before === undefined ? {} : { lt: [...range.prefix, checkId(before)] }
  for await (const { key } of map.entries({ ...range, ...bound, reverse: true })) yield { namespace, id: key[3]! }
  return undefined
}
