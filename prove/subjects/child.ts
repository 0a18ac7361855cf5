/**
 * A process with one subject: `child.js holdfast | lmdb | sqlite`. It takes commands on its standard input, a line of
 * JSON each, and reports on its standard output what it is about to do, and what it was told.
 *
 * - `live`: opens, reports what is there, and puts with several writers until it is killed;
 * - `program`: a program with an end: open, puts, close, open, puts, close. After an error it goes on;
 * - `read`: opens, reports what is there, closes.
 */
import { createInterface } from 'node:readline'
import { reportLine } from '../../src/io/report-line.js'
import { type Random, randomBelow, seededRandom } from '../../src/testing/random.js'
import type { OpenSubject, Subject } from './subject.js'
import { numberOf, valueFor } from './values.js'

export type SubjectName = 'holdfast' | 'lmdb' | 'sqlite'

export interface Command {
  do: 'configuration' | 'live' | 'program' | 'read'
  folder: string
  seed: number
  /** Numbers of values start above it. */
  serial: number
}

/** What an error looked like to the program that got it. */
export interface SeenError {
  code: string | undefined
  message: string
}

export type Report =
  | { configuration: string }
  /** What is there: key and number of the value; -1 for a value that nobody has put. */
  | { found: [key: string, number: number][] }
  /** A put is about to be made. */
  | { put: [key: string, number: number] }
  | { resolved: number }
  | { rejected: number; error: SeenError }
  | { failed: 'open' | 'read' | 'close'; error: SeenError }
  /** Nobody was told of it: an unhandledRejection or an uncaughtException. */
  | { untold: string }
  | { done: true }

/** Only the one that is asked for is loaded. */
const SUBJECTS: Readonly<Record<SubjectName, () => Promise<Subject>>> = {
  holdfast: async () => (await import('./holdfast.js')).holdfast,
  lmdb: async () => (await import('./lmdb.js')).lmdb,
  sqlite: async () => (await import('./sqlite.js')).sqlite,
}
const WRITERS = 8
const KEYS_PER_WRITER = 8
/** Of the program with an end: few calls, since each of them is made to fail in its turn. */
const PROGRAM_WRITERS = 3
const PROGRAM_PUTS = 4

const report: (report: Report) => void = reportLine
const subject = await SUBJECTS[process.argv[2] as SubjectName]()
let serial = 0

process.on('unhandledRejection', error => report({ untold: `unhandledRejection: ${String(error)}` }))
process.on('uncaughtException', error => report({ untold: `uncaughtException: ${String(error)}` }))

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as Command
  serial = command.serial
  const random = seededRandom(command.seed)
  if (command.do === 'configuration') report({ configuration: subject.configuration() })
  else if (command.do === 'live') await live(command.folder, random)
  else if (command.do === 'program') await program(command.folder, random)
  else await read(command.folder)
  report({ done: true })
}

async function live(folder: string, random: Random): Promise<void> {
  const opened = await subject.open(folder)
  await reportFound(opened)
  await Promise.all(
    Array.from({ length: WRITERS }, async (_, writer) => {
      for (;;) await put(opened, `w${writer}-k${randomBelow(random, KEYS_PER_WRITER)}`, random)
    }),
  )
}

async function program(folder: string, random: Random): Promise<void> {
  await attempt('open', () => life(folder, PROGRAM_PUTS, random))
  await attempt('open', () => life(folder, 1, random))
}

async function life(folder: string, puts: number, random: Random): Promise<void> {
  const opened = await subject.open(folder)
  await attempt('read', () => reportFound(opened))
  await Promise.all(
    Array.from({ length: PROGRAM_WRITERS }, async (_, writer) => {
      for (let done = 0; done < puts; done++) await put(opened, `w${writer}-k${done % 3}`, random)
    }),
  )
  await attempt('close', () => opened.close())
}

async function read(folder: string): Promise<void> {
  await attempt('open', async () => {
    const opened = await subject.open(folder)
    await attempt('read', () => reportFound(opened))
    await attempt('close', () => opened.close())
  })
}

async function put(opened: OpenSubject, key: string, random: Random): Promise<void> {
  serial += 1
  const number = serial
  const value = valueFor(number, random)
  report({ put: [key, number] })
  try {
    await opened.put(key, value)
    report({ resolved: number })
  } catch (error) {
    report({ rejected: number, error: seen(error) })
  }
}

async function reportFound(opened: OpenSubject): Promise<void> {
  const entries = await opened.entries()
  report({ found: entries.map(([key, value]) => [key, numberOf(value)]) })
}

async function attempt(what: 'open' | 'read' | 'close', work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    report({ failed: what, error: seen(error) })
  }
}

function seen(error: unknown): SeenError {
  if (!(error instanceof Error)) return { code: undefined, message: String(error) }
  const code = 'code' in error ? error.code : undefined
  const isCode = typeof code === 'string' || typeof code === 'number'
  return { code: isCode ? String(code) : undefined, message: error.message }
}
