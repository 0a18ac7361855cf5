/** Recorded runs for whoever has none: made from a seed, with the sizes and the mix of messages that real ones have. */
import { type Random, randomBelow, seededRandom } from '../src/testing/random.js'
import { LANGUAGES, type Language, PLACES, POLICY } from './phrases.js'
import type { Message, Run } from './run.js'

const RUNS = 220
const CUSTOMERS = 48
const ROUNDS_MIN = 4
const ROUNDS_MAX = 8

interface Customer {
  id: string
  name: string
  language: Language
}

/** `count` runs of a support agent with several languages, tool calls and results of 0.3 to 9 KB. */
export function makeRuns(seed: number, count = RUNS): Run[] {
  const random = seededRandom(seed)
  const customers = Array.from({ length: CUSTOMERS }, (_, index) => makeCustomer(random, index))
  return Array.from({ length: count }, (_, index) => {
    const customer = pick(random, customers)
    const { id, name, language } = customer
    return {
      id: `run-${String(index + 1).padStart(4, '0')}`,
      customer: id,
      profile: { name, language: language.code, task: index },
      messages: makeMessages(random, customer),
    }
  })
}

function makeCustomer(random: Random, index: number): Customer {
  const language = LANGUAGES[index % LANGUAGES.length]!
  return { id: `customer_${1000 + index * 7}`, name: pick(random, language.names), language }
}

function makeMessages(random: Random, customer: Customer): Message[] {
  const { language } = customer
  const messages: Message[] = [{ role: 'system', content: policy(random) }]
  const rounds = between(random, ROUNDS_MIN, ROUNDS_MAX)
  for (let round = 0; round < rounds; round++) {
    messages.push({ role: 'user', content: fill(random, pick(random, round === 0 ? language.asks : language.replies)) })
    const calls = round === 0 ? 1 : randomBelow(random, 3)
    for (let call = 0; call < calls; call++) messages.push(...toolCall(random, customer))
    messages.push({ role: 'assistant', content: fill(random, pick(random, language.answers)) })
  }
  messages.push({ role: 'user', content: pick(random, language.thanks) })
  messages.push({ role: 'assistant', content: '✅ ###STOP###' })
  return messages
}

function toolCall(random: Random, customer: Customer): Message[] {
  const id = `call_${code(random, 24)}`
  const { name, args, result } = pick(random, TOOLS)(random, customer)
  const call = { id, type: 'function', function: { name, arguments: JSON.stringify(args) } }
  return [
    { role: 'assistant', content: null, tool_calls: [call] },
    { role: 'tool', tool_call_id: id, name, content: JSON.stringify(result) },
  ]
}

type Tool = (random: Random, customer: Customer) => { name: string; args: object; result: object }

const TOOLS: readonly Tool[] = [
  (random, { id, name }) => ({
    name: 'get_customer',
    args: { customer_id: id },
    result: {
      id,
      name,
      email: `${id}@example.com`,
      address: { street: `${between(random, 1, 990)} Sunset Drive`, city: pick(random, PLACES) },
      payment_methods: many(random, 1, 4, () => ({ id: `card_${digits(random, 7)}`, last_four: digits(random, 4) })),
      bookings: many(random, 1, 6, () => code(random, 6)),
    },
  }),
  random => {
    const args = {
      from: pick(random, PLACES),
      to: pick(random, PLACES),
      date: day(random),
      seats: between(random, 1, 5),
    }
    return {
      name: 'search_trips',
      args,
      result: many(random, 2, 30, () => ({
        number: `HAT${digits(random, 3)}`,
        ...args,
        departs: `${between(random, 6, 22)}:${between(random, 10, 59)}:00`,
        status: 'available',
        available: { economy: randomBelow(random, 20), business: randomBelow(random, 9) },
        prices: { economy: between(random, 51, 199), business: between(random, 250, 900) + 0.5 },
      })),
    }
  },
  (random, { id }) => ({
    name: 'change_booking',
    args: { customer_id: id, booking: code(random, 6), date: day(random), note: 'línea 1\nпо просьбе клиента “ok” ✈️' },
    result: { ok: random() < 0.9, price: between(random, 0, 300), paid_with: `card_${digits(random, 7)}` },
  }),
  random => ({
    name: 'track_parcel',
    args: { parcel: code(random, 10) },
    result: many(random, 3, 14, () => ({
      at: `${day(random)}T08:00:00Z`,
      place: pick(random, PLACES),
      event: 'scanned',
    })),
  }),
]

function policy(random: Random): string {
  const rules = many(random, 12, 40, () => `- ${pick(random, POLICY)}`)
  return ['# Policy', ...rules].join('\n')
}

function fill(random: Random, template: string): string {
  return template
    .replaceAll('{place}', () => pick(random, PLACES))
    .replaceAll('{code}', () => code(random, 6))
    .replaceAll('{n}', () => String(between(random, 2, 9)))
}

function day(random: Random): string {
  return `2024-05-${between(random, 10, 31)}`
}

function code(random: Random, length: number): string {
  return many(random, length, length, () => 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789'[randomBelow(random, 32)]).join('')
}

function digits(random: Random, length: number): string {
  return many(random, length, length, () => randomBelow(random, 10)).join('')
}

function many<T>(random: Random, min: number, max: number, make: () => T): T[] {
  return Array.from({ length: between(random, min, max) }, make)
}

function between(random: Random, min: number, max: number): number {
  return min + randomBelow(random, max - min + 1)
}

function pick<T>(random: Random, items: readonly T[]): T {
  return items[randomBelow(random, items.length)]!
}
