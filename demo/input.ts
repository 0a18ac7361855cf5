/** Reads recorded runs from a file: JSON or JSONL, of chat messages or of whole runs. */
import { readFileSync } from 'node:fs'
import type { Message, Run } from './run.js'

/** The input cannot be used. One line that says what to do. */
export class InputError extends Error {}

const SHAPES =
  'give chat messages ({"role": …, "content": …}) or runs ({"traj": [messages]} or {"messages": [messages]}), as a JSON array or one JSON value a line'

export function readRuns(file: string): Run[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const what = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`
    throw new InputError(`The input file ${file} ${what}: give --input the path of a JSON or JSONL file`)
  }
  return parseRuns(text, file)
}

export function parseRuns(text: string, file: string): Run[] {
  const items = parseItems(text.replace(/^\uFEFF/, ''), file)
  if (items.length === 0) throw new InputError(`The input file ${file} is empty: ${SHAPES}`)
  if (items.every(isMessage)) return [toRun({ messages: items }, 0, file)]
  return items.map((item, index) => toRun(item, index, file))
}

function parseItems(text: string, file: string): unknown[] {
  if (text.trim() === '') return []
  const whole = tryParse(text)
  if (whole.ok) return Array.isArray(whole.value) ? whole.value : [whole.value]
  const items: unknown[] = []
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    const parsed = tryParse(line)
    if (!parsed.ok) {
      // If not even the first line stands alone, it was meant as one JSON value: that error tells more.
      const error = items.length === 0 ? whole.error : `line ${index + 1}: ${parsed.error}`
      throw new InputError(`The input file ${file} is neither JSON nor JSONL (${error}): ${SHAPES}`)
    }
    items.push(parsed.value)
  }
  return items
}

function tryParse(text: string): { ok: true; value: unknown } | { ok: false; error: string } {
  try {
    return { ok: true, value: JSON.parse(text) }
  } catch (error) {
    // The message quotes what it has met, which may hold line breaks.
    return { ok: false, error: (error as Error).message.replaceAll(/\s+/g, ' ').slice(0, 120) }
  }
}

function toRun(item: unknown, index: number, file: string): Run {
  const wrong = (what: string) => new InputError(`Entry ${index + 1} of the input file ${file} ${what}: ${SHAPES}`)
  if (!isObject(item)) throw wrong(Array.isArray(item) ? 'is an array' : `is ${JSON.stringify(item)?.slice(0, 40)}`)
  const messages = item.traj ?? item.messages
  if (!Array.isArray(messages)) throw wrong(isMessage(item) ? 'is a message among runs' : 'has no messages')
  if (messages.length === 0) throw wrong('has an empty list of messages')
  const bad = messages.findIndex(message => !isMessage(message))
  if (bad >= 0) throw wrong(`has no chat message as number ${bad + 1}`)
  const task = taskOf(item)
  const customer = task.user_id ?? item.user_id
  const { instruction } = task
  return {
    id: `run-${String(index + 1).padStart(4, '0')}`,
    customer: typeof customer === 'string' && customer !== '' ? customer : `customer of run ${index + 1}`,
    profile: {
      ...(item.task_id === undefined ? {} : { task: item.task_id }),
      ...(instruction === undefined ? {} : { instruction }),
    },
    messages,
  }
}

function taskOf(item: Record<string, unknown>): Record<string, unknown> {
  const info = item.info
  const task = isObject(info) ? info.task : undefined
  return isObject(task) ? task : {}
}

function isMessage(value: unknown): value is Message {
  if (!isObject(value) || typeof value.role !== 'string') return false
  const { content } = value
  return typeof content === 'string' || Array.isArray(content) || ((content ?? null) === null && 'tool_calls' in value)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
