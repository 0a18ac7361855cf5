/** The kill harness: processes write to a memory and are killed with SIGKILL; each next one says what it has found. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { AgentMemory, type Durability, type MaxLoss } from '../../index.js'
import type { Scratch } from '../disk/scratch.js'
import { Ledger, type Tally } from './ledger.js'
import { BOUND, contentOf, type Mix, OPTIONS, type Report } from './shape.js'

export interface KillReport {
  lives: number
  /** Killed before they had opened the memory: recovery is killed as well. */
  killedOpening: number
  durabilities: Record<Durability, Tally>
  /** Of write-back. */
  bound: MaxLoss
  lostAtOnceMax: number
  /** Promises that were not kept, in words: the first few. */
  broken: string[]
}

const LIFE = fileURLToPath(new URL('./life.js', import.meta.url))
/** A life is killed so long after its moment has come. */
const LIFE_MS = [20, 250] as const
/** What lives write and which moment they are killed after, in turns. The store takes its time on a busy machine. */
const TURNS: readonly { mix: Mix; moment: 'found' | 'stored' }[] = [
  { mix: 'all', moment: 'stored' },
  { mix: 'write-back', moment: 'found' },
  { mix: 'all', moment: 'found' },
]
const KILLED_OPENING_SHARE = 0.1
/** A life whose moment does not come for so long hangs. */
const SILENCE_MS = 30_000
const BROKEN_TOLD_MAX = 5

export async function killLives(scratch: Scratch, lives: number, onLife: (lives: number) => void): Promise<KillReport> {
  const folder = join(scratch.path, 'killed')
  const ledger = new Ledger(BOUND)
  let lived = 0
  let killedOpening = 0
  while (lived < lives && ledger.broken.length === 0) {
    onLife(lived)
    const turn = TURNS[lived % TURNS.length]!
    const child = spawn(process.execPath, [LIFE, folder, String(lived), turn.mix], { stdio: ['pipe', 'pipe', 'pipe'] })
    scratch.watch(child)
    const moment = Math.random() < KILLED_OPENING_SHARE ? 'start' : turn.moment
    const hasOpened = await live(child, moment, ledger, lived)
    if (!hasOpened) killedOpening += 1
    lived += 1
  }
  if (ledger.broken.length === 0) await lookAtTheEnd(folder, ledger, lived)
  const { tallies, lostAtOnceMax, broken } = ledger
  const told = broken.slice(0, BROKEN_TOLD_MAX)
  return { lives: lived, killedOpening, durabilities: tallies, bound: BOUND, lostAtOnceMax, broken: told }
}

/** Lets a process live until some time after a moment, and kills it. Returns whether it had opened the memory before. */
async function live(
  child: ChildProcess,
  moment: 'start' | 'found' | 'stored',
  ledger: Ledger,
  life: number,
): Promise<boolean> {
  const ended = endOf(child)
  let hasOpened = false
  let hasCome = false
  let timer = setTimeout(() => child.kill('SIGKILL'), SILENCE_MS)
  const come = () => {
    if (hasCome) return
    hasCome = true
    clearTimeout(timer)
    timer = setTimeout(() => child.kill('SIGKILL'), randomInt(...LIFE_MS))
  }
  if (moment === 'start') come()
  for await (const line of createInterface({ input: child.stdout! })) {
    const report = parse(line)
    if (report === undefined) continue
    if ('found' in report) {
      ledger.found(report.found, life)
      hasOpened = true
      if (moment === 'found') come()
    } else {
      ledger.acknowledged(report)
      if (report.reached === 'store') come()
    }
  }
  const { signal, errors } = await ended
  clearTimeout(timer)
  // Nothing but the kill ends a life.
  if (signal !== 'SIGKILL')
    ledger.broken.push(`life ${life} ended by itself: ${errors.trim().replace(/\s+/g, ' ').slice(0, 500)}`)
  else if (!hasCome) {
    const what = hasOpened ? 'stored a write-through' : 'opened the memory'
    ledger.broken.push(`life ${life} has not ${what} within ${SILENCE_MS / 1000} s`)
  }
  return hasOpened
}

/** What the last one has left. */
async function lookAtTheEnd(folder: string, ledger: Ledger, life: number): Promise<void> {
  const memory = await AgentMemory.open(folder, OPTIONS)
  try {
    ledger.found(await contentOf(memory), life)
  } finally {
    await memory.close()
  }
}

function parse(line: string): Report | undefined {
  try {
    return JSON.parse(line) as Report
  } catch {
    // The kill came in the middle of a report, which then was never made.
    return undefined
  }
}

function endOf(child: ChildProcess): Promise<{ signal: NodeJS.Signals | null; errors: string }> {
  let errors = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  // A child that is gone reads no more; that is what is waited for.
  child.stdin!.on('error', () => {})
  return new Promise(resolve => {
    child.on('error', error => resolve({ signal: null, errors: error.message }))
    child.on('exit', (_, signal) => resolve({ signal, errors }))
  })
}
