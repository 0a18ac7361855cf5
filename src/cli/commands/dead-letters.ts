/**
 * `holdfast dead-letters LOCATION`: lists what the data store has refused, gives it to the store again, or gives it up.
 * Opens the memory, and so recovers it if need be.
 */
import type { DeadLetter, DeadWrite } from '../../engine/dead-letter.js'
import { identityOf } from '../../engine/verify.js'
import { AgentMemory, type AgentMemoryOptions } from '../../index.js'
import { nodeFileSystem } from '../../io/node-file-system.js'
import { parseLocation } from '../../location.js'
import { countText, type DeadLettersOptions, ExitCode, printResult } from '../output.js'

const VALUE_CHARS_MAX = 120

export async function deadLetters(location: string, options: DeadLettersOptions): Promise<ExitCode> {
  const { folder, store } = parseLocation(location, options.folder)
  // Before anything is opened, and so made.
  const { store: kind } = await identityOf(nodeFileSystem, folder)
  const given: AgentMemoryOptions = options.folder === undefined ? {} : { folder: options.folder }
  const inFolder: AgentMemoryOptions = kind === 'files' || kind === 'in-memory' ? { store: kind } : {}
  const memory = await AgentMemory.open(location, store === undefined ? inFolder : given)
  try {
    const { replay, discard } = options
    const replayed =
      replay === undefined ? 0 : (await memory.deadLetters.replay(replay === true ? undefined : replay)).replayed
    const discarded = discard !== undefined && (await memory.deadLetters.discard(discard)) ? 1 : 0
    const letters = memory.deadLetters.list()
    const ok = letters.length === 0
    const shown = letters.map(letter => ({ ...letter, writes: letter.writes.map(plain) }))
    printResult(options, { ok, folder, replayed, discarded, letters: shown }, () =>
      textOf(replayed, discarded, letters),
    )
    return ok ? ExitCode.fine : ExitCode.problems
  } finally {
    await memory.close()
  }
}

/** A write as JSON can say it: its bytes in base64. */
function plain({ value: _value, bytes, ...write }: DeadWrite): object {
  return { ...write, bytes: bytes === undefined ? null : Buffer.from(bytes).toString('base64') }
}

function textOf(replayed: number, discarded: number, letters: readonly DeadLetter[]): string {
  const done = [
    replayed === 0 ? [] : [`Given to the store: ${countText(replayed, 'dead letter')}.`],
    discarded === 0 ? [] : ['Given up: 1 dead letter.'],
  ].flat()
  const count = letters.length === 0 ? 'No dead letters.' : `${countText(letters.length, 'dead letter')}:`
  return [...done, count, ...letters.flatMap(linesOf)].join('\n')
}

function linesOf({ id, reason, parkedAt, writes }: DeadLetter): string[] {
  const when = new Date(parkedAt).toISOString()
  return [`  ${id}  ${when}  ${reason}`, ...writes.map(write => `      ${writeText(write)}`)]
}

function writeText({ map, segments, isDelete, value, bytes }: DeadWrite): string {
  const key = JSON.stringify([map, ...segments])
  if (isDelete) return `delete ${key}`
  const text =
    value === undefined
      ? undefined
      : JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? `${each}n` : each))
  if (text === undefined) return `set ${key} to ${countText(bytes?.length ?? 0, 'byte')}`
  return `set ${key} to ${text.length > VALUE_CHARS_MAX ? `${text.slice(0, VALUE_CHARS_MAX)}…` : text}`
}
