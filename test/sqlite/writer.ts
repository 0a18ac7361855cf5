/**
 * Writes into a SQLite store from elsewhere: as a worker thread, or as a process of its own that can be killed.
 *
 * A generation is one apply: every key gets the LSN of the apply as the start of its value.
 */
import { execFileSync } from 'node:child_process'
import { writeSync } from 'node:fs'
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { AgentMemoryError } from '../../src/core/errors.js'
import type { Change, DataStore } from '../../src/stores/data-store.js'
import { openInThread, openSqliteStore, type SqliteThreadOptions } from '../../src/stores/sqlite/sqlite.js'

/** More than one slice of a transaction. */
export const KEYS = Array.from({ length: 2500 }, (_, index) => `key-${String(index).padStart(4, '0')}\0`)

export function generation(lsn: number): Change[] {
  return KEYS.map(key => ({ key, value: Buffer.from(String(lsn).padEnd(120)) }))
}

export function markAt(lsn: number): { appliedLsn: number; appliedPosition: number } {
  return { appliedLsn: lsn, appliedPosition: lsn * 100 }
}

function say(line: string): void {
  writeSync(1, `${line}\n`)
}

async function applyForever(store: DataStore, onApplied: (lsn: number) => void): Promise<never> {
  for (let lsn = (await store.mark()).appliedLsn + 1; ; lsn++) {
    await store.apply(generation(lsn), markAt(lsn))
    onApplied(lsn)
  }
}

const modes: Record<string, (path: string) => Promise<void>> = {
  /** Opens, or says why it could not. */
  async open(path) {
    try {
      await (await openSqliteStore(path)).close()
      say('opened')
    } catch (error) {
      say(error instanceof AgentMemoryError ? error.code : String(error))
    }
  },

  /** Applies for as long as it lives, and says what was acknowledged. */
  async forever(path) {
    await applyForever(await openSqliteStore(path), lsn => say(String(lsn)))
  },

  /** Runs where no file may grow past a limit: applies until that is met, then has it lifted and tries again. */
  async untilFull(path) {
    const store = await openSqliteStore(path)
    const failures: string[] = []
    let lsn = 0
    const apply = async (size: number) => {
      lsn += 1
      const change = { key: `value-${String(lsn).padStart(4, '0')}\0`, value: Buffer.alloc(size, 'x') }
      await store.apply([change], markAt(lsn)).catch((error: AgentMemoryError) => failures.push(error.code))
    }
    while (failures.length === 0) await apply(300 * 1024)
    const acknowledged = lsn - 1
    execFileSync('prlimit', ['--pid', String(process.pid), '--fsize=unlimited'])
    await apply(10)
    const readable = (await store.get('value-0001\0'))?.length === 300 * 1024
    await store.close()

    const reopened = await openSqliteStore(path)
    const { appliedLsn } = await reopened.mark()
    const entries = (await reopened.page({ from: '', to: '\xff', reverse: false, limit: 10_000 })).length
    await reopened.apply([], markAt(1000))
    await reopened.close()
    say(JSON.stringify({ acknowledged, failures, readable, appliedLsn, entries }))
  },
}

if (!isMainThread) {
  const store = await openInThread(workerData as SqliteThreadOptions)
  parentPort!.once('message', async () => {
    await store.close()
    parentPort!.close()
  })
  await applyForever(store, lsn => parentPort!.postMessage(lsn)).catch((error: AgentMemoryError) => {
    if (error.code !== 'CLOSED') throw error
  })
} else if (process.argv[1]?.endsWith('sqlite/writer.js')) {
  const [mode = '', path = ''] = process.argv.slice(2)
  await modes[mode]!(path)
}
