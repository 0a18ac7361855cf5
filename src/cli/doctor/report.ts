/** What the doctor says to people: what it has found, and the table of the three durabilities with its figures. */
import type { Durability } from '../../index.js'
import { meaningOf } from '../disk/file-system-kind.js'
import type { Place } from '../disk/place.js'
import { durationText, rows, table, wrapped } from '../output.js'
import type { Check, Verdict } from './checks.js'
import type { Findings } from './examine.js'

/** One line of the table. */
export interface DurabilityRow {
  durability: Durability
  medianUs: number
  p99Us: number
  /** Acknowledged to processes that were killed, and of those lost. */
  acknowledged: number
  lost: number
  /** By promise: no kill shows it. */
  powerCutLoses: string
  useFor: string
}

const USE_FOR: Record<Durability, string> = {
  'write-back': 'counters, caches, progress',
  'write-ahead': 'runs, conversations, payments',
  'write-through': 'what others read in the store',
}

/** `undefined` if not everything could be measured. */
export function durabilityRows({ fileSystem, latencies, kills }: Findings): DurabilityRow[] | undefined {
  if (latencies === undefined || kills === undefined) return undefined
  const isVolatile = meaningOf(fileSystem).risk === 'volatile'
  const none = 'nothing, if the disk honours a flush'
  return (['write-back', 'write-ahead', 'write-through'] as const).map(durability => ({
    durability,
    medianUs: latencies[durability].latencyUs.median,
    p99Us: latencies[durability].latencyUs.p99,
    acknowledged: kills.durabilities[durability].acknowledged,
    lost: kills.durabilities[durability].lost,
    powerCutLoses: isVolatile
      ? `everything: ${fileSystem.kind}`
      : durability === 'write-back'
        ? 'at most maxLoss (1 s by default)'
        : none,
    useFor: USE_FOR[durability],
  }))
}

export const NOT_PROVEN =
  'A kill is not a power cut: the kernel keeps what a killed process has handed to it. Whether this disk keeps what it ' +
  'says it has synced, only a power cut shows: cut the power of this machine, or of its host, while a program on it ' +
  'writes and tells another machine each write that was acknowledged, and look for them afterwards.'

const WIDTH = 120

export function reportText(place: Place, findings: Findings, verdict: Verdict): string {
  const head = rows([
    ['folder', folderText(place)],
    ['file system', fileSystemText(findings)],
  ])
  const shown = durabilityRows(findings)
  const parts = [head, findings.checks.map(checkText).join('\n')]
  if (shown !== undefined) parts.push(durabilityTable(shown), wrapped(NOT_PROVEN, WIDTH))
  return [...parts, wrapped(verdict.text, WIDTH)].join('\n\n')
}

function checkText({ name, level, text, next }: Check): string {
  const lead = `${MARK[level]}  ${name.padEnd(11)}  `
  const said = next === undefined ? text : `${text}. ${next}`
  return lead + wrapped(said, WIDTH, lead.length)
}

const MARK = { ok: 'ok     ', warning: 'WARNING', problem: 'PROBLEM' } as const

function durabilityTable(shown: readonly DurabilityRow[]): string {
  return table(
    ['durability', 'latency: median, p99', 'a kill lost', 'a power cut may lose', 'use it for'],
    shown.map(({ durability, medianUs, p99Us, acknowledged, lost, powerCutLoses, useFor }) => [
      durability,
      `${durationText(medianUs)}, ${durationText(p99Us)}`,
      `${lost.toLocaleString('en-US')} of ${acknowledged.toLocaleString('en-US')}`,
      powerCutLoses,
      useFor,
    ]),
  )
}

function folderText({ folder, nearest, holds }: Place): string {
  if (folder !== nearest) return `${folder} is not there; it would be made in ${nearest}, which was looked at`
  if (holds === 'memory') return `${folder}, a memory, which was left as it is`
  if (holds === 'other files') return `${folder} holds other files: give a memory a folder of its own in it`
  return folder
}

function fileSystemText({ fileSystem: { kind, source, mountPoint, mountOptions } }: Findings): string {
  if (mountPoint === undefined) return kind
  return `${kind} of ${source}, mounted at ${mountPoint}${mountOptions.includes('ro') ? ', read-only' : ''}`
}
