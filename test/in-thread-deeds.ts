/** What test/in-thread.test.ts has done in a thread. */
import assert from 'node:assert/strict'

export function give<T>(value: T): T {
  return value
}

export async function fail(message: string): Promise<void> {
  assert.fail(message)
}

export async function failLater(): Promise<void> {
  setTimeout(() => void Promise.reject(new Error('nobody waits for it')), 0)
}

export function hang(): Promise<void> {
  return new Promise(() => {})
}
