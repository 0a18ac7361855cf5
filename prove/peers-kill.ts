/** The kill part of `prove peers`: processes put with several writers and are killed; each next one says what it finds. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { randomBelow, seededRandom } from '../src/testing/random.js'
import { PutHistory } from './peers-judge.js'
import type { Command, Report, SubjectName } from './subjects/child.js'
import { type Ending, ReportingChild } from './subjects/reporting-child.js'

export interface KillCounts {
  lives: number
  acknowledged: number
  /** Acknowledged puts that a next process did not find. */
  lost: number
  /** Values found that nobody had put. */
  wrong: number
  /** Lives that did not end by the kill, and folders that could not be opened after one. */
  broken: number
}

export interface KillOptions {
  folder: string
  lives: number
  seed: number
  onLife?(): void
  onFailure(what: string): void
}

export const CHILD = new URL('./subjects/child.js', import.meta.url)
const LIFE_MS_MIN = 10
const LIFE_MS_RANGE = 140
const KILLED_OPENING_SHARE = 0.1
/** A life that says nothing for so long hangs. */
const SILENCE_MS = 30_000
const NUMBERS_PER_LIFE = 1_000_000

export async function killSubject(name: SubjectName, options: KillOptions): Promise<KillCounts> {
  const { lives, seed, onFailure } = options
  const folder = join(options.folder, name)
  await mkdir(folder)
  const random = seededRandom(seed)
  const history = new PutHistory()
  const counts: KillCounts = { lives: 0, acknowledged: 0, lost: 0, wrong: 0, broken: 0 }
  const fail = (what: string) => onFailure(`${name}, life ${counts.lives}: ${what}`)

  const take = (report: Report) => {
    if ('put' in report) history.put(...report.put)
    else if ('resolved' in report) history.resolved(report.resolved)
    else if ('found' in report) {
      const { lost, wrong } = history.judge(report.found)
      for (const each of lost) fail(`acknowledged, and gone after a kill: ${each}`)
      for (const each of wrong) fail(`nobody has put what was found after a kill: ${each}`)
      counts.lost += lost.length
      counts.wrong += wrong.length
      history.rebase(report.found)
    } else fail(JSON.stringify(report))
  }

  for (; counts.lives < lives; counts.lives += 1) {
    const child = new ReportingChild<Report>(CHILD, [name])
    const lifeMs = LIFE_MS_MIN + randomBelow(random, LIFE_MS_RANGE)
    const isKilledOpening = random() < KILLED_OPENING_SHARE
    let timer = isKilledOpening ? setTimeout(() => child.kill(), lifeMs) : undefined
    const command: Command = {
      do: 'live',
      folder,
      seed: seed * 100_003 + counts.lives,
      serial: (counts.lives + 1) * NUMBERS_PER_LIFE,
    }
    const onReport = (report: Report) => {
      take(report)
      if ('found' in report) timer ??= setTimeout(() => child.kill(), lifeMs)
    }
    const ending = await child.run(command, { silenceMs: SILENCE_MS, onReport })
    clearTimeout(timer)
    if (!isKilled(ending)) {
      counts.broken += 1
      fail(`the process did not live until it was killed: ${JSON.stringify(ending)}`)
    }
    await child.end()
    options.onLife?.()
  }
  await lookAtTheEnd(name, folder, take)
  return { ...counts, acknowledged: history.acknowledged }
}

function isKilled(ending: Ending): boolean {
  return ending.how === 'died' && ending.signal === 'SIGKILL'
}

async function lookAtTheEnd(name: SubjectName, folder: string, take: (report: Report) => void): Promise<void> {
  const child = new ReportingChild<Report>(CHILD, [name])
  const command: Command = { do: 'read', folder, seed: 0, serial: 0 }
  await child.run(command, { silenceMs: SILENCE_MS, onReport: take })
  await child.end()
}
