/**
 * The process that is killed: plays the plan into the memory, and tells the parent on file descriptor 3.
 *
 * `open LSN`, once the memory is open; `issue END`, before the writes up to END are made; `ack MS index:lsn:reached:µs …`;
 * `done` at the end, or `error` with a sentence.
 */
import { readFileSync, writeSync } from 'node:fs'
import type { WriteResult } from '../src/index.js'
import { machineMs } from './life.js'
import { mapsOf, openOnDisk } from './memory.js'
import { makePlan } from './plan.js'
import { Player } from './player.js'
import type { Run } from './run.js'

const PIPE = 3

export interface ChildTask {
  folder: string
  runsFile: string
  /** The first step to play. */
  from: number
  sabotage: 'no-sync' | undefined
}

/** Written before this returns: what is told is in the pipe, whatever happens to this process then. */
function tell(line: string): void {
  const bytes = Buffer.from(`${line}\n`)
  for (let done = 0; done < bytes.length; ) done += writeSync(PIPE, bytes, done)
}

class Report {
  #acks: string[] = []

  issuing(end: number): void {
    tell(`issue ${end}`)
  }

  acknowledged(index: number, { lsn, reached }: WriteResult, ms: number): void {
    // All that is acknowledged at one moment goes into one line. The queue of ticks runs once no promise is ready.
    if (this.#acks.length === 0) process.nextTick(() => this.tellAcks())
    this.#acks.push(`${index}:${lsn}:${reached}:${Math.round(ms * 1000)}`)
  }

  tellAcks(): void {
    if (this.#acks.length > 0) tell(`ack ${machineMs().toFixed(3)} ${this.#acks.join(' ')}`)
    this.#acks = []
  }
}

async function run({ folder, runsFile, from, sabotage }: ChildTask): Promise<void> {
  const plan = makePlan(JSON.parse(readFileSync(runsFile, 'utf8')) as Run[])
  const memory = await openOnDisk(folder, sabotage)
  tell(`open ${memory.status().lsn.accepted}`)
  const report = new Report()
  await new Player(plan, mapsOf(memory), from, report).play()
  report.tellAcks()
  await memory.close()
  tell('done')
}

run(JSON.parse(process.argv[2] ?? '{}') as ChildTask).catch((error: unknown) => {
  tell(`error ${String(error).replaceAll(/\s+/g, ' ')}`)
  process.exitCode = 1
})
