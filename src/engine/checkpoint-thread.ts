/** The main thread's end of the checkpoint's worker. */
import { Worker } from 'node:worker_threads'
import { AgentMemoryError, type ErrorCode } from '../core/errors.js'
import type { ChangesRequest, RunOutcome, RunRequest } from './checkpoint-run.js'
import type { WorkerReply, WorkerRequest } from './checkpoint-worker.js'
import type { ThreadOpener } from './config.js'

interface Call {
  resolve(outcome: RunOutcome | undefined): void
  reject(error: unknown): void
}

export class CheckpointThread {
  readonly #worker: Worker
  readonly #calls = new Map<number, Call>()
  #nextId = 1
  #ended: Error | undefined

  constructor(opener: ThreadOpener) {
    this.#worker = new Worker(new URL('./checkpoint-worker.js', import.meta.url), {
      workerData: opener,
      resourceLimits: { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 256 },
    })
    // The worker must not keep a process alive that has nothing else to do; a call in flight is awaited by somebody.
    this.#worker.unref()
    this.#worker.on('message', (reply: WorkerReply) => this.#answered(reply))
    this.#worker.on('error', error => this.#end(error))
    this.#worker.on('exit', code => this.#end(new Error(`The checkpoint's worker has ended with code ${code}`)))
  }

  async run(request: RunRequest | ChangesRequest): Promise<RunOutcome> {
    const outcome = await this.#call(request)
    if (outcome === undefined) throw new Error('The checkpoint worker has answered a run with nothing')
    return outcome
  }

  /** Closes the worker's store and ends it. */
  async close(): Promise<void> {
    if (this.#ended === undefined) await this.#call(undefined)
    await this.#worker.terminate()
  }

  /** Ends the worker without its help; what it was doing may have happened or not. */
  async abandon(): Promise<void> {
    await this.#worker.terminate()
  }

  #call(run: RunRequest | ChangesRequest | undefined): Promise<RunOutcome | undefined> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended)
    const id = this.#nextId++
    this.#worker.ref()
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject })
      this.#worker.postMessage({ id, run } satisfies WorkerRequest)
    })
  }

  #answered({ id, outcome, error }: WorkerReply): void {
    const call = this.#calls.get(id)
    this.#calls.delete(id)
    if (this.#calls.size === 0) this.#worker.unref()
    if (error === undefined) call?.resolve(outcome)
    else call?.reject(fromPlain(error))
  }

  #end(error: Error): void {
    this.#ended ??= error
    for (const call of this.#calls.values()) call.reject(this.#ended)
    this.#calls.clear()
  }
}

function fromPlain({ code, message, next }: NonNullable<WorkerReply['error']>): Error {
  if (code === undefined || next === undefined) return new Error(message)
  // The message ends in the next step already; it is taken off so that it does not stand there twice.
  return new AgentMemoryError(code as ErrorCode, { message: message.replace(`. ${next}`, ''), next })
}
