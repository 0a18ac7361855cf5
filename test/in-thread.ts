/**
 * Work of a test in a thread of its own. Node's test runner follows every promise of the thread that it runs in, from its
 * making to its end; where there are millions of them, that takes longer than the test.
 */
import { parentPort, Worker, workerData } from 'node:worker_threads'

interface Call {
  module: string
  name: string
  args: unknown[]
}

type AnyFunction = (...args: never[]) => unknown

/** Calls a function that a module exports. It gives, or throws, what the function does, as far as that can be cloned. */
export function inThread<F extends AnyFunction>(
  module: URL,
  name: string,
  ...args: Parameters<F>
): Promise<Awaited<ReturnType<F>>> {
  const call: Call = { module: module.href, name, args }
  const worker = new Worker(new URL(import.meta.url), { workerData: { call } })
  const results: Awaited<ReturnType<F>>[] = []
  worker.on('message', result => results.push(result))
  return new Promise((resolve, reject) => {
    // What fails behind the result, such as a promise that nobody waited for, fails the call as well.
    worker.on('error', reject)
    worker.on('exit', code => {
      if (results.length === 1) resolve(results[0]!)
      else reject(new Error(`${name} has ended its thread with code ${code}, and has given nothing`))
    })
  })
}

const call = (workerData as { call?: Call } | null)?.call
if (call !== undefined) {
  const exported = (await import(call.module)) as Record<string, AnyFunction>
  parentPort!.postMessage(await exported[call.name]!(...(call.args as never[])))
}
