/**
 * Writes into a LevelDB store from elsewhere: as a worker thread, or as a process of its own that can be killed.
 *
 * A generation is one apply: every key gets the LSN of the apply as its value.
 */
import { execFileSync } from 'node:child_process'
import { writeSync } from 'node:fs'
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { AgentMemoryError } from '../../src/core/errors.js'
import type { Change } from '../../src/stores/data-store.js'
import { openLevelStore } from '../../src/stores/level/level.js'

export const KEYS = Array.from({ length: 300 }, (_, index) => `key-${String(index).padStart(4, '0')}\0`)

export function generation(lsn: number): Change[] {
  return KEYS.map(key => ({ key, value: Buffer.from(String(lsn)) }))
}

export function markAt(lsn: number): { appliedLsn: number; appliedPosition: number } {
  return { appliedLsn: lsn, appliedPosition: lsn * 100 }
}

function say(line: string): void {
  writeSync(1, `${line}\n`)
}

const modes: Record<string, (folder: string) => Promise<void>> = {
  /** Opens, or says why it could not. */
  async open(folder) {
    try {
      await (await openLevelStore(folder)).close()
      say('opened')
    } catch (error) {
      say(error instanceof AgentMemoryError ? error.code : String(error))
    }
  },

  /** Applies for as long as it lives, and says what was acknowledged. */
  async forever(folder) {
    // A small buffer, so that tables are made, logs changed and files removed all the time.
    const store = await openLevelStore(folder, { writeBufferBytes: 64 * 1024 })
    for (let lsn = (await store.mark()).appliedLsn + 1; ; lsn++) {
      await store.apply(generation(lsn), markAt(lsn))
      say(String(lsn))
    }
  },

  /** Runs where no file may grow past 4 MiB: applies until that is met, then has the limit lifted and tries again. */
  async untilFull(folder) {
    const store = await openLevelStore(folder)
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

    const reopened = await openLevelStore(folder)
    const { appliedLsn } = await reopened.mark()
    await reopened.apply([], markAt(1000))
    await reopened.close()
    say(JSON.stringify({ acknowledged, failures, readable, markAfterReopen: appliedLsn }))
  },
}

/** In a worker thread: opens the same folder and applies generations up to a last one. */
async function runWorker({ folder, lastLsn }: { folder: string; lastLsn: number }): Promise<void> {
  const store = await openLevelStore(folder)
  for (let lsn = (await store.mark()).appliedLsn + 1; lsn <= lastLsn; lsn++) {
    await store.apply(generation(lsn), markAt(lsn))
  }
  await store.close()
  parentPort?.postMessage('done')
}

const [mode, folder] = process.argv.slice(2)
if (!isMainThread) await runWorker(workerData)
else if (mode !== undefined && folder !== undefined && process.argv[1]?.endsWith('level-writer.js')) {
  await modes[mode]!(folder)
}
