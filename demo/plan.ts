/**
 * The writes of a replay, in one fixed order: child and parent make the same plan of the same runs, so that they need to
 * tell one another numbers only.
 *
 * Several runs go on at a time, one message of each in turn. Each message and each counter is a write-back, the state at
 * the end of each turn a write-ahead, the customer's profile at the start and the end of a run a write-through.
 */
import { encodeKey, encodeSegment } from '../src/core/key.js'
import { recordBytes } from '../src/log/record.js'
import type { Durability } from '../src/policy/durability.js'
import { encode } from '../src/values.js'
import { InputError } from './input.js'
import type { Message, Run } from './run.js'

/** Maps, each with the durability of its writes. */
export const MAPS = {
  customers: 'write-through',
  turns: 'write-ahead',
  messages: 'write-back',
  counters: 'write-back',
} as const satisfies Record<string, Durability>

export type MapName = keyof typeof MAPS
export type DemoKey = string | string[]

export interface Op {
  map: MapName
  key: DemoKey
  /** The map and the key as one string. */
  id: string
  value: unknown
  durability: Durability
}

/** What happens at one message: a few writes that are made together. */
export interface Step {
  /** Its writes are `ops[from]` up to `ops[to - 1]`. */
  from: number
  to: number
  /** The number of the write that must be acknowledged before: the state of the run's turn before. */
  after: number | undefined
  /** The first step of the turn that this one belongs to. */
  turnStart: number
}

export interface Plan {
  ops: Op[]
  steps: Step[]
}

const RUNS_AT_A_TIME = 16

interface Active {
  run: Run
  next: number
  turn: number
  turnStart: number | undefined
  after: number | undefined
}

export function makePlan(runs: readonly Run[]): Plan {
  return new Planner().plan(runs)
}

export function idOf(map: MapName, key: DemoKey): string {
  return `${map} ${JSON.stringify(key)}`
}

/** The bytes that a write takes in the log: what a loss bound counts. Throws InputError if it cannot be kept. */
export function bytesOf({ map, key, value, id }: Op): number {
  try {
    const encodedKey = encodeSegment(map) + encodeKey(key)
    return recordBytes(encodedKey.length, encode(value, 16 << 20).value?.length ?? 0)
  } catch (error) {
    throw new InputError(`The input holds what cannot be kept (${id.slice(0, 60)}): ${(error as Error).message}`)
  }
}

class Planner {
  readonly #plan: Plan = { ops: [], steps: [] }
  readonly #counters = new Map<string, number>()
  readonly #runsOf = new Map<string, number>()

  plan(runs: readonly Run[]): Plan {
    const waiting = [...runs]
    let active: Active[] = []
    while (waiting.length > 0 || active.length > 0) {
      while (active.length < RUNS_AT_A_TIME && waiting.length > 0) active.push(begin(waiting.shift()!))
      for (const each of active) this.#step(each)
      active = active.filter(each => each.next < each.run.messages.length)
    }
    return this.#plan
  }

  #step(active: Active): void {
    const { run, next: index } = active
    const { ops, steps } = this.#plan
    const message = run.messages[index]!
    const from = ops.length
    active.turnStart ??= steps.length
    if (index === 0) this.#profile(run, 'open')
    this.#add('messages', [run.id, String(index).padStart(4, '0')], message)
    const counter = counterOf(message)
    const count = (this.#counters.get(counter) ?? 0) + 1
    this.#counters.set(counter, count)
    this.#add('counters', counter, count)
    const isLast = index === run.messages.length - 1
    const endsTurn = isLast || run.messages[index + 1]!.role === 'user'
    const { turnStart, after } = active
    if (endsTurn) this.#endTurn(active, index, isLast)
    if (isLast) this.#profile(run, 'done')
    steps.push({ from, to: ops.length, after, turnStart })
    active.next += 1
  }

  #endTurn(active: Active, index: number, isLast: boolean): void {
    const { run } = active
    active.turn += 1
    active.after = this.#plan.ops.length
    active.turnStart = undefined
    const lastWords = String(run.messages[index]!.content ?? '').slice(0, 200)
    this.#add('turns', run.id, {
      turn: active.turn,
      messages: index + 1,
      isDone: isLast,
      lastWords: toWellFormed(lastWords),
    })
  }

  #profile(run: Run, state: 'open' | 'done'): void {
    const runs = (this.#runsOf.get(run.customer) ?? 0) + (state === 'open' ? 1 : 0)
    this.#runsOf.set(run.customer, runs)
    this.#add('customers', run.customer, { ...run.profile, runs, lastRun: run.id, state })
  }

  #add(map: MapName, key: DemoKey, value: unknown): void {
    this.#plan.ops.push({ map, key, id: idOf(map, key), value, durability: MAPS[map] })
  }
}

function begin(run: Run): Active {
  return { run, next: 0, turn: 0, turnStart: undefined, after: undefined }
}

function counterOf({ role, name }: Message): string {
  return role === 'tool' && typeof name === 'string' ? `tool ${name}` : `role ${role}`
}

/** Cutting a text may halve an emoji. */
function toWellFormed(text: string): string {
  return text.toWellFormed()
}
