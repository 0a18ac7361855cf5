/**
 * The checkpoint's worker thread: it opens the data store a second time, reads runs from the log by itself and
 * applies them, so that sorting and committing take nothing from the main thread.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { AgentMemoryError } from '../core/errors.js'
import { nodeFileSystem } from '../io/node-file-system.js'
import type { DataStore } from '../stores/data-store.js'
import { applyChanges, type ChangesRequest, type RunOutcome, type RunRequest, runCheckpoint } from './checkpoint-run.js'
import type { ThreadOpener } from './config.js'
import { RunMemory } from './run-memory.js'

export interface WorkerRequest {
  id: number
  /** A run to apply; `undefined` asks to close. */
  run: RunRequest | ChangesRequest | undefined
}

export interface WorkerReply {
  id: number
  outcome?: RunOutcome
  error?: { code: string | undefined; message: string; next: string | undefined }
}

// Each entry of a run becomes a few small buffers. Node cuts them from pools of 8 KiB by default, a new one for every
// dozen entries; this thread does nothing else, so that its pools may be large.
Buffer.poolSize = 256 * 1024

const port = parentPort!
const memory = new RunMemory()
let store: DataStore | undefined

async function answer({ id, run }: WorkerRequest): Promise<void> {
  try {
    if (run === undefined) {
      await store?.close()
      port.postMessage({ id } satisfies WorkerReply)
      port.close()
      return
    }
    store ??= await open(workerData as ThreadOpener)
    const outcome =
      'changes' in run ? await applyChanges(store, run) : await runCheckpoint(nodeFileSystem, store, run, memory)
    port.postMessage({ id, outcome } satisfies WorkerReply)
  } catch (error) {
    port.postMessage({ id, error: plainError(error) } satisfies WorkerReply)
  }
}

async function open({ module, options }: ThreadOpener): Promise<DataStore> {
  const { openInThread } = (await import(module)) as { openInThread(options: unknown): Promise<DataStore> }
  return openInThread(options)
}

function plainError(error: unknown): NonNullable<WorkerReply['error']> {
  if (error instanceof AgentMemoryError) return { code: error.code, message: error.message, next: error.next }
  return {
    code: undefined,
    message: error instanceof Error ? (error.stack ?? error.message) : String(error),
    next: undefined,
  }
}

// Requests come one at a time: the checkpoint waits for each answer.
port.on('message', (request: WorkerRequest) => {
  void answer(request)
})
