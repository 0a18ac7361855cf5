/**
 * `prove peers`: the same kills and the same faults for lmdb and SQLite used directly, beside Holdfast. Every subject
 * runs in the same child program, and another process says what is there afterwards.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FaultCase } from './faults-cases.js'
import type { PartResult } from './part.js'
import { type FaultCounts, faultSubject } from './peers-faults.js'
import { CHILD, type KillCounts, killSubject } from './peers-kill.js'
import { Shim } from './shim.js'
import type { Command, Report, SubjectName } from './subjects/child.js'
import { missingPeers } from './subjects/peers.js'
import { ReportingChild } from './subjects/reporting-child.js'

export const SUBJECTS: readonly SubjectName[] = ['holdfast', 'lmdb', 'sqlite']

export interface PeersOptions {
  seed?: number
  /** Of each subject. */
  lives?: number
  /** Faults of each subject, spread over all of them. @defaultValue all */
  runs?: number
  subjects?: readonly SubjectName[]
  /** Only faults of this kind. */
  only?: Partial<FaultCase>
  onProgress?(done: number): void
}

/** Of each subject; the rows count all of them. */
const FINDINGS_MAX = 100

/** What must not be, and was seen. */
export interface PeerFinding {
  subject: SubjectName
  what: string
  replay: string
}

export interface PeerRow {
  subject: SubjectName
  configuration: string
  kill: KillCounts
  /** `undefined` where the shim does not run. */
  faults: FaultCounts | undefined
}

/** `failures` are those of Holdfast; what the others show is in `rows` and `findings`. */
export interface PeersResult extends PartResult {
  rows: PeerRow[]
  findings: PeerFinding[]
  /** Why there are no faults in the rows. */
  withoutFaults: string | undefined
}

export async function provePeers(options: PeersOptions = {}): Promise<PeersResult> {
  const started = performance.now()
  const { seed = 1, lives = 100, subjects = SUBJECTS } = options
  const result: PeersResult = {
    name: 'peers',
    seed,
    counts: {},
    failures: [],
    rows: [],
    findings: [],
    withoutFaults: undefined,
    ms: 0,
  }
  const missing = missingPeers()
  if (missing !== undefined) return { ...result, notRun: missing }
  const built = Shim.build()
  const shim = built.notRun === undefined ? built : undefined
  result.withoutFaults = built.notRun

  const folder = await mkdtemp(join(tmpdir(), 'holdfast-peers-'))
  let done = 0
  const progress = () => options.onProgress?.(++done)
  try {
    result.rows = await Promise.all(
      subjects.map(async (subject): Promise<PeerRow> => {
        const own = join(folder, subject)
        await mkdir(own)
        const tell = (what: string, flags: string) => {
          if (result.findings.filter(each => each.subject === subject).length >= FINDINGS_MAX) return
          const replay = `npm run prove -- peers --subject ${subject} --seed ${seed} ${flags}`
          result.findings.push({ subject, what, replay })
        }
        const configuration = await configurationOf(subject)
        const kill = await killSubject(subject, {
          folder: own,
          lives,
          seed,
          onLife: progress,
          onFailure: what => tell(what, `--lives ${lives} --runs 0`),
        })
        const faults =
          shim &&
          (await faultSubject(subject, {
            shim,
            folder: own,
            seed,
            runs: options.runs ?? Number.POSITIVE_INFINITY,
            only: options.only ?? {},
            onRun: progress,
            onFinding: (what, { fault, mode, call }) =>
              tell(
                `${subject}, ${fault} ${mode} at call ${call}: ${what}`,
                `--lives 0 ${flagsOf({ fault, mode, call })}`,
              ),
          }))
        return { subject, configuration, kill, faults }
      }),
    )
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  result.failures = result.findings.filter(({ subject }) => subject === 'holdfast').map(withoutSubject)
  result.counts = {
    subjects: result.rows.length,
    lives: sum(result.rows, ({ kill }) => kill.lives),
    faults: sum(result.rows, ({ faults }) => faults?.runs ?? 0),
    acknowledged: sum(result.rows, ({ kill, faults }) => kill.acknowledged + (faults?.acknowledged ?? 0)),
  }
  return { ...result, ms: performance.now() - started }
}

/** The subject says itself what it is, in the process in which it runs. */
async function configurationOf(subject: SubjectName): Promise<string> {
  const child = new ReportingChild<Report>(CHILD, [subject])
  let found = ''
  const command: Command = { do: 'configuration', folder: '', seed: 0, serial: 0 }
  await child.run(command, {
    silenceMs: 30_000,
    onReport: report => {
      if ('configuration' in report) found = report.configuration
    },
  })
  await child.end()
  return found
}

function flagsOf({ fault, mode, call }: Pick<FaultCase, 'fault' | 'mode' | 'call'>): string {
  return `--fault ${fault} --mode ${mode} --call ${call}`
}

function withoutSubject({ what, replay }: PeerFinding): PartResult['failures'][number] {
  return { what, replay }
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0)
}
