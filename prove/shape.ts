/** The maps, scopes and keys that the workloads write, and the values that say which write they are of. */
import type { AgentMemory, Durability, Key, MapOptions, MaxLoss, MemoryMap } from '../src/index.js'
import { type Random, randomBelow } from '../src/testing/random.js'
import { parseValueOptions } from '../src/value-options.js'
import { Values } from '../src/values.js'
import type { Bounds, Content, ModelWrite } from './history.js'

export const MAX_LOSS: MaxLoss = { ms: 400, writes: 12, bytes: 16 * 1024 }
export const COUNTER_LOSS: MaxLoss = { ms: 200, writes: 5, bytes: 4 * 1024 }
export const BOUNDS: Bounds = { memory: MAX_LOSS, counters: COUNTER_LOSS }
export const DURABILITIES: readonly Durability[] = ['write-back', 'write-ahead', 'write-through']
/** The options of each map: in every scope, and for whoever reads what is left. */
const MAPS: Record<'runs' | 'notes' | 'counters', MapOptions<string> | undefined> = {
  runs: undefined,
  notes: undefined,
  counters: { durability: 'write-back', maxLoss: COUNTER_LOSS },
}

/** How the maps encode their values. */
const VALUES = new Map(
  Object.entries(MAPS).map(([name, options]) => {
    return [name, new Values(name, parseValueOptions(options ?? {}), { bytesBefore: 0, bytesAfter: 0 })]
  }),
)
const VALUE_BYTES_MAX = 1 << 20

/** A map as a program sees it, and where its keys are in the model. */
export interface Place {
  map: MemoryMap<string, string>
  prefix: string
  budget: string
}

export function placesOf(memory: AgentMemory): Place[] {
  const { runs, notes, counters } = MAPS
  return [
    { map: memory.map('runs', runs), prefix: 'runs/', budget: 'memory' },
    { map: memory.map('notes', notes), prefix: 'notes/', budget: 'memory' },
    { map: memory.scope('acme').map('notes', notes), prefix: 'notes/acme/', budget: 'memory' },
    { map: memory.scope('acme', 'bot').map('runs', runs), prefix: 'runs/acme/bot/', budget: 'memory' },
    { map: memory.map('counters', counters), prefix: 'counters/', budget: 'counters' },
  ]
}

/** How durable a write is that does not say so itself. */
export function durabilityOf({ budget }: ModelWrite): Durability {
  return budget === 'counters' ? 'write-back' : 'write-ahead'
}

/** Everything in the memory, as its public API shows it. */
export async function contentOf(memory: AgentMemory): Promise<Content> {
  const content: Content = new Map()
  for (const [name, options] of Object.entries(MAPS)) {
    for await (const { key, value, version } of memory.map<string, Key>(name, options as MapOptions).entries()) {
      content.set(`${name}/${typeof key === 'string' ? key : key.join('/')}`, { value, version })
    }
  }
  return content
}

export function modelWrite(place: Place, key: string, value: string | undefined): ModelWrite {
  const values = VALUES.get(place.prefix.slice(0, place.prefix.indexOf('/')))!
  const encoded = value === undefined ? undefined : values.encode(value, VALUE_BYTES_MAX).value
  const name = place.prefix + key
  return { key: name, value, budget: place.budget, bytes: name.length + (encoded?.length ?? 0) }
}

/** Few keys, so that they are met again by writes of other durabilities. */
export const KEYS: readonly string[] = Array.from({ length: 8 }, (_, number) => `k${number}`)

export function randomKey(random: Random): string {
  return pick(KEYS, random)
}

/** A value that no other write has. Mostly short; now and then it takes blocks, or most of a segment. */
export function valueFor(serial: number, random: Random): string {
  const choice = random()
  const bytes = choice < 0.85 ? randomBelow(random, 60) : choice < 0.97 ? randomBelow(random, 6000) : 25_000
  return `${serial}:${'x'.repeat(bytes)}`
}

export function pick<T>(items: readonly T[], random: Random): T {
  return items[randomBelow(random, items.length)]!
}
