/** The replay through a child process that is killed, again and again, while it writes. */
import { type ChildProcess, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Milestone } from '../src/index.js'
import { DURABILITIES, type Durability } from '../src/policy/durability.js'
import { seededRandom } from '../src/testing/random.js'
import type { ChildTask } from './child.js'
import { Life, machineMs } from './life.js'
import { openOnDisk, readAll, type Sabotage } from './memory.js'
import type { Plan } from './plan.js'
import type { Run } from './run.js'
import { type Found, Tally, type Verdict, verify, verifyUnreadable } from './verify.js'

export interface KillRunOptions {
  folder: string
  kills: number
  seed: number
  sabotage: Sabotage
  onProgress(done: number): void
}

export interface KillRunResult {
  tally: Tally
  kills: number
  killsInFlight: number
  /** How long each acknowledgement took, in ms. */
  latencies: Record<Durability, number[]>
  recoveryMs: number[]
  /** Whether the memory holds, at the end, exactly what the last write of each key says. */
  isComplete: boolean
}

export async function runWithKills(runs: readonly Run[], plan: Plan, options: KillRunOptions): Promise<KillRunResult> {
  const runsFile = join(options.folder, 'runs.json')
  writeFileSync(runsFile, JSON.stringify(runs))
  return new KillRun(plan, runsFile, options).run()
}

class KillRun {
  readonly #plan: Plan
  readonly #runsFile: string
  readonly #options: KillRunOptions
  readonly #memory: string
  readonly #result: KillRunResult = {
    tally: new Tally(),
    kills: 0,
    killsInFlight: 0,
    latencies: { 'write-back': [], 'write-ahead': [], 'write-through': [] },
    recoveryMs: [],
    isComplete: false,
  }
  #found: Found = new Map()
  #newestLsn = 0

  constructor(plan: Plan, runsFile: string, options: KillRunOptions) {
    this.#plan = plan
    this.#runsFile = runsFile
    this.#options = options
    this.#memory = join(options.folder, 'memory')
  }

  async run(): Promise<KillRunResult> {
    const targets = this.#targets()
    let step = 0
    for (;;) {
      const { life, hasEnded, endedAt } = await this.#live(step, targets[this.#result.kills])
      if (!hasEnded) this.#result.kills += 1
      if (!hasEnded && life.inFlight > 0) this.#result.killsInFlight += 1
      const verdict = await this.#compare(life, endedAt, hasEnded)
      if (hasEnded && targets[this.#result.kills] === undefined) {
        this.#result.isComplete = isComplete(this.#plan, verdict)
        return this.#result
      }
      // A memory that cannot be opened, or that contradicts what was told, is not worth going on with.
      if (verdict.broken.length > 0 && this.#options.sabotage === undefined) return this.#result
      // A child that came to the end before it was killed starts anew: writing the same again changes nothing.
      step = hasEnded ? 0 : this.#turnOf(verdict.unconfirmed)
    }
  }

  /** The numbers of acknowledged writes at which the child is killed: spread over the plan, each at a random place. */
  #targets(): number[] {
    const { kills, seed } = this.#options
    const random = seededRandom(seed)
    const share = (this.#plan.ops.length * 0.95) / kills
    return Array.from({ length: kills }, (_, kill) => Math.floor((kill + random()) * share))
  }

  /** The first step of the turn that a write belongs to. */
  #turnOf(index: number): number {
    const { steps } = this.#plan
    return steps.find(step => step.to > index)?.turnStart ?? steps.length
  }

  async #live(step: number, target: number | undefined): Promise<{ life: Life; hasEnded: boolean; endedAt: number }> {
    const { folder, runsFile } = { folder: this.#memory, runsFile: this.#runsFile }
    const task: ChildTask = { folder, runsFile, from: step, sabotage: this.#options.sabotage }
    const path = fileURLToPath(new URL('./child.js', import.meta.url))
    const child = spawn(process.execPath, [path, JSON.stringify(task)], {
      stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
    })
    const stopWithParent = () => child.kill('SIGKILL')
    process.once('exit', stopWithParent)
    try {
      return await this.#listen(child, step, target)
    } finally {
      process.off('exit', stopWithParent)
    }
  }

  #listen(child: ChildProcess, step: number, target: number | undefined) {
    const from = this.#plan.steps[step]?.from ?? this.#plan.ops.length
    const pipe = child.stdio[3] as Readable
    let life = new Life(from, 0)
    let hasEnded = false
    let endedAt: number | undefined
    let failure: string | undefined
    let rest = ''
    const hear = (line: string) => {
      const [word, ...words] = line.split(' ')
      if (word === 'open') life = new Life(from, Number(words[0]))
      else if (word === 'issue') life.issuedTo = Number(words[0])
      else if (word === 'ack') this.#hearAcks(life, words)
      else if (word === 'done') hasEnded = true
      else failure = line
      const isDue = target !== undefined && from + life.acks.size >= target && life.acks.size > 0 && life.inFlight > 0
      if (!isDue || endedAt !== undefined) return
      child.kill('SIGKILL')
      endedAt = machineMs()
    }
    return new Promise<{ life: Life; hasEnded: boolean; endedAt: number }>((resolve, reject) => {
      pipe.setEncoding('utf8').on('data', (text: string) => {
        const lines = (rest + text).split('\n')
        // A line that the kill has cut short was not told.
        rest = lines.pop()!
        for (const line of lines) hear(line)
        this.#options.onProgress(from + life.acks.size)
      })
      child.once('error', reject)
      child.once('close', code => {
        if (failure !== undefined || (endedAt === undefined && !hasEnded)) {
          reject(new Error(`The child process has failed: ${failure ?? `exit code ${code}`}`))
        } else resolve({ life, hasEnded, endedAt: endedAt ?? machineMs() })
      })
    })
  }

  #hearAcks(life: Life, words: string[]): void {
    const at = Number(words[0])
    for (const word of words.slice(1)) {
      const [index, lsn, reached, microseconds] = word.split(':')
      const ms = Number(microseconds) / 1000
      life.acks.set(Number(index), { lsn: Number(lsn), reached: reached as Milestone, ms, at })
      this.#result.latencies[this.#plan.ops[Number(index)]!.durability].push(ms)
    }
  }

  async #compare(life: Life, endedAt: number, hasEnded: boolean): Promise<Verdict> {
    const { tally, recoveryMs, kills } = this.#result
    const where = hasEnded ? 'at the end' : `after kill ${kills}`
    let verdict: Verdict
    try {
      const memory = await openOnDisk(this.#memory, undefined)
      if (!hasEnded) recoveryMs.push(memory.status().recovery.durationMs)
      verdict = verify(this.#plan, this.#found, life, await readAll(memory), endedAt)
      // What waits in the log stays there: the next opening has to recover it as well.
      await memory.close({ deadlineMs: 0 })
    } catch (error) {
      verdict = verifyUnreadable(this.#plan, life, error, endedAt)
    }
    if (life.baseLsn < this.#newestLsn) verdict.broken.push(`LSN ${life.baseLsn + 1} was given twice`)
    if (hasEnded && DURABILITIES.some(each => verdict.lost[each] > 0)) {
      verdict.broken.push('writes are missing after a clean close')
    }
    this.#newestLsn = life.lsnOf(life.issuedTo) - 1
    this.#found = verdict.found
    tally.add(verdict, where)
    return verdict
  }
}

function isComplete(plan: Plan, { found }: Verdict): boolean {
  const last = new Map(plan.ops.map((op, index) => [op.id, index]))
  return found.size === last.size && [...last].every(([id, index]) => found.get(id)?.index === index)
}
