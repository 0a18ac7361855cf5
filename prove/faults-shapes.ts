/** What a life of `prove faults` asks of shapes in one step: all of it at once, so that it hardly adds calls of files. */
import type { AgentMemory, Durability } from '../src/index.js'
import type { Result } from './calls.js'
import type { History, ModelWrite } from './history.js'
import { appended, type ListModel, OWN_ID, parseList, trimmed } from './list-model.js'
import { blobsOf, headWrite, type ListPlace, listsOf, messageOf, modelWrite, placesOf, preferencesOf } from './shape.js'
import { digestOf, noise } from './values.js'

/** A call, and what it will write. */
export interface ShapeCall {
  what: string
  writes: ModelWrite[]
  durability: Durability
  run(): Promise<Result>
}

/** With frames of 64 KiB, more than a chunk. */
const LARGE_BYTES = 60_000

/** The history says what is there now: of each shape at most one call is made in a step. */
export function shapeCalls(memory: AgentMemory, history: History, step: number, nextValue: () => string): ShapeCall[] {
  const [events, audit, chat, other] = listsOf(memory) as [ListPlace, ListPlace, ListPlace, ListPlace]
  const [grown, cut] = step % 2 === 0 ? [events, audit] : [audit, events]
  return [
    append(grown, history, [nextValue(), nextValue()], 'write-ahead'),
    append(chat, history, [nextValue()], 'write-back'),
    ...trim(cut, history),
    ...inBatch(memory, other, history, nextValue),
    prefer(memory, step, nextValue()),
    ...changeBlobs(memory, step, nextValue),
    setMany(memory, [nextValue(), nextValue()]),
  ]
}

function append(list: ListPlace, history: History, values: string[], durability: Durability): ShapeCall {
  return {
    what: `an append to ${list.head}`,
    writes: [headWrite(list, afterAppend(list, history, values))],
    durability,
    run: () =>
      list.kind === 'sequence'
        ? list.sequence.appendMany(values, { durability })
        : list.conversations.appendMany(list.id, values.map(messageOf), { durability, ids: values.map(idOf) }),
  }
}

function trim(list: ListPlace, history: History): ShapeCall[] {
  const before = parseList(history.expected(list.head))
  if (list.kind !== 'sequence' || before.items.length < 2) return []
  return [
    {
      what: `a trim of ${list.head}`,
      writes: [headWrite(list, trimmed(before, 1))],
      durability: 'write-ahead',
      run: () => list.sequence.trim({ keepLast: 1, durability: 'write-ahead' }),
    },
  ]
}

/** Messages and an entry together. */
function inBatch(memory: AgentMemory, list: ListPlace, history: History, nextValue: () => string): ShapeCall[] {
  if (list.kind !== 'conversation') return []
  const [place] = placesOf(memory)
  const [value, message] = [nextValue(), nextValue()]
  const after = afterAppend(list, history, [message], true)
  return [
    {
      what: 'a batch that appends',
      writes: [modelWrite(place!, 'with-chat', value), headWrite(list, after)],
      durability: 'write-ahead',
      run: () =>
        memory.batch(
          batch => {
            batch.append(list.conversations, list.id, messageOf(message)).set(place!.map, 'with-chat', value)
          },
          { durability: 'write-ahead' },
        ),
    },
  ]
}

function prefer(memory: AgentMemory, step: number, value: string): ShapeCall {
  const { preferences, lead } = preferencesOf(memory)
  const isSet = step !== 1
  return {
    what: 'a preference',
    writes: [{ key: `${lead}u0/k${step % 2}`, value: isSet ? value : undefined, budget: 'memory' }],
    durability: 'write-ahead',
    run: () =>
      isSet
        ? preferences.set('u0', `k${step % 2}`, value, { durability: 'write-ahead' })
        : preferences.delete('u0', `k${step % 2}`, { durability: 'write-ahead' }),
  }
}

/** One that fits a chunk, and one that does not, which is replaced and deleted. */
function changeBlobs(memory: AgentMemory, step: number, nextValue: () => string): ShapeCall[] {
  const { blobs, lead } = blobsOf(memory)
  const durability = 'write-ahead'
  const put = (key: string, content: string): ShapeCall => ({
    what: `a put of the blob ${key}`,
    writes: [{ key: lead + key, value: digestOf(content), budget: 'memory' }],
    durability,
    run: () => blobs.put(key, [Buffer.from(content)], { durability }),
  })
  const small = put('small', nextValue())
  if (step === 0) return [small, put('large', nextValue() + noise(LARGE_BYTES))]
  if (step !== 1) return [small]
  const writes = [{ key: `${lead}large`, value: undefined, budget: 'memory' }]
  return [{ what: 'a delete of a blob', writes, durability, run: () => blobs.delete('large', { durability }) }]
}

function setMany(memory: AgentMemory, values: string[]): ShapeCall {
  const place = placesOf(memory).find(({ prefix }) => prefix === 'facts/')!
  const entries = values.map((value, index): [string, string] => [`many${index}`, value])
  return {
    what: 'a setMany',
    writes: entries.map(([key, value]) => modelWrite(place, key, value)),
    durability: 'write-ahead',
    run: () => place.map.setMany(entries, { durability: 'write-ahead' }),
  }
}

function afterAppend(list: ListPlace, history: History, values: readonly string[], isNameless = false): ListModel {
  const before = parseList(history.expected(list.head))
  if (list.kind === 'sequence') return appended(before, values.map(digestOf), list.keepLast)
  const messages = values.map(value => [isNameless ? OWN_ID : idOf(value), digestOf(value)] as const)
  return { next: 0, items: [...before.items, ...messages].slice(-list.keepLast) }
}

/** Each value is another. */
function idOf(value: string): string {
  return `m${value.slice(0, value.indexOf(':'))}`
}
