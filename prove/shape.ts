/** The maps and shapes, the scopes and the keys that the workloads write. */
import { levelsOf } from '../src/codec/compression.js'
import type {
  AgentMemory,
  Blobs,
  CompressionOptions,
  Conversations,
  Durability,
  MapOptions,
  MaxLoss,
  MemoryMap,
  Preferences,
  Sequence,
} from '../src/index.js'
import { type Random, randomBelow } from '../src/testing/random.js'
import type { Bounds, ModelWrite } from './history.js'
import { type ListModel, listText } from './list-model.js'

export const MAX_LOSS: MaxLoss = { ms: 400, writes: 12, bytes: 16 * 1024 }
export const COUNTER_LOSS: MaxLoss = { ms: 200, writes: 5, bytes: 4 * 1024 }
export const CHAT_LOSS: MaxLoss = { ms: 300, writes: 16, bytes: 8 * 1024 }
export const BOUNDS: Bounds = { memory: MAX_LOSS, counters: COUNTER_LOSS, chat: CHAT_LOSS }
export const DURABILITIES: readonly Durability[] = ['write-back', 'write-ahead', 'write-through']

const NEWEST: CompressionOptions | undefined = levelsOf('zstd') && { algorithm: 'zstd', thresholdBytes: 40 }
/** The options of each map: in every scope, and for whoever reads what is left. */
const MAPS: Record<'runs' | 'notes' | 'facts' | 'counters', MapOptions<string> | undefined> = {
  runs: { compression: { algorithm: 'gzip', thresholdBytes: 40 } },
  notes: { compression: { algorithm: 'brotli', thresholdBytes: 40, level: 3 } },
  facts: NEWEST && { compression: NEWEST },
  counters: { durability: 'write-back', maxLoss: COUNTER_LOSS },
}
/** The map that loads what it does not hold. */
const LOADED = 'loaded'

/** A map as a program sees it, and where its keys are in the model. */
export interface Place {
  map: MemoryMap<string, string>
  prefix: string
  budget: string
}

export function placesOf(memory: AgentMemory): Place[] {
  const { runs, notes, facts, counters } = MAPS
  return [
    { map: memory.map('runs', runs), prefix: 'runs/', budget: 'memory' },
    { map: memory.map('notes', notes), prefix: 'notes/', budget: 'memory' },
    { map: memory.scope('acme').map('notes', notes), prefix: 'notes/acme/', budget: 'memory' },
    { map: memory.scope('acme', 'bot').map('runs', runs), prefix: 'runs/acme/bot/', budget: 'memory' },
    { map: memory.map('facts', facts), prefix: 'facts/', budget: 'memory' },
    { map: memory.map('counters', counters), prefix: 'counters/', budget: 'counters' },
    loadedPlace(memory),
  ]
}

/** What the loads of a memory give, by key: by themselves they give nothing. */
const sources = new WeakMap<AgentMemory, Map<string, () => Promise<string>>>()

/** Makes the loads of a key give something; `undefined` for nothing again. */
export function setSource(memory: AgentMemory, key: string, source: (() => Promise<string>) | undefined): void {
  const known = sources.get(memory) ?? new Map<string, () => Promise<string>>()
  sources.set(memory, known)
  if (source === undefined) known.delete(key)
  else known.set(key, source)
}

export function loadedPlace(memory: AgentMemory): Place {
  const load = (key: string) => sources.get(memory)?.get(key)?.()
  const map = memory.map<string, string>(LOADED, {
    load,
    compression: { algorithm: 'gzip', thresholdBytes: 40, level: 9 },
  })
  return { map, prefix: `${LOADED}/`, budget: 'memory' }
}

/** A list, and where its head is in the model. */
export type ListPlace = { head: string; budget: string; keepLast: number } & (
  | { kind: 'sequence'; sequence: Sequence<string> }
  | { kind: 'conversation'; conversations: Conversations<ChatMessage>; id: string }
)

export interface ChatMessage {
  role: string
  content: string
}

const KEEP_LAST = 6
export const CONVERSATION_IDS = ['c0', 'c1']

export function listsOf(memory: AgentMemory): ListPlace[] {
  const options = { keepLast: KEEP_LAST }
  const audit = memory.scope('acme').sequence<string>('audit')
  return [
    {
      kind: 'sequence',
      sequence: memory.sequence('events', options),
      head: '/sequence/events/heads/0',
      budget: 'memory',
      keepLast: KEEP_LAST,
    },
    {
      kind: 'sequence',
      sequence: audit,
      head: '/sequence/audit/heads/1/acme',
      budget: 'memory',
      keepLast: Number.POSITIVE_INFINITY,
    },
    ...chatsOf(memory).flatMap(({ conversations, lead }) => {
      return CONVERSATION_IDS.map((id): ListPlace => {
        return { kind: 'conversation', conversations, id, head: lead + id, budget: 'chat', keepLast: KEEP_LAST }
      })
    }),
  ]
}

/** The conversations of each scope, and what leads their heads. */
export function chatsOf(memory: AgentMemory): { conversations: Conversations<ChatMessage>; lead: string }[] {
  const options = { keepLast: KEEP_LAST, maxLoss: CHAT_LOSS }
  return [
    { conversations: memory.conversations(options), lead: '/conversations/heads/0/' },
    { conversations: memory.scope('acme').conversations(options), lead: '/conversations/heads/1/acme/' },
  ]
}

export const USERS = ['u0', 'u1']

export function preferencesOf(memory: AgentMemory): { preferences: Preferences<string>; lead: string } {
  return { preferences: memory.preferences<string>(), lead: '/preferences/entries/0/' }
}

export function blobsOf(memory: AgentMemory): { blobs: Blobs<string>; lead: string } {
  return { blobs: memory.scope('acme').blobs<string>('files'), lead: '/blobs/files/blob/acme/' }
}

/** Every map there is, in the scope that shows all of it. */
export function mapsOf(memory: AgentMemory): MemoryMap<string>[] {
  const maps = Object.entries(MAPS).map(([name, options]) => memory.map<string>(name, options as MapOptions))
  return [...maps, loadedPlace(memory).map as unknown as MemoryMap<string>]
}

/** How durable a write is that does not say so itself. */
export function durabilityOf({ budget }: ModelWrite): Durability {
  return budget === 'counters' ? 'write-back' : 'write-ahead'
}

export function modelWrite({ prefix, budget }: Place, key: string, value: string | undefined): ModelWrite {
  return { key: prefix + key, value, budget }
}

/** What a list holds from now on. Nothing is left of a conversation without messages. */
export function headWrite({ kind, head, budget }: ListPlace, after: ListModel): ModelWrite {
  const isGone = kind === 'conversation' && after.items.length === 0
  return { key: head, value: isGone ? undefined : listText(after), budget }
}

export function messageOf(content: string): ChatMessage {
  return { role: 'user', content }
}

/** Few keys, so that they are met again by writes of other durabilities. */
export const KEYS: readonly string[] = Array.from({ length: 5 }, (_, number) => `k${number}`)

export function randomKey(random: Random): string {
  return pick(KEYS, random)
}

export function pick<T>(items: readonly T[], random: Random): T {
  return items[randomBelow(random, items.length)]!
}
