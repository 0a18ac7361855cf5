/**
 * How a child program reports: a line of JSON on its standard output, handed to the kernel before the call returns. A
 * kill takes nothing of what was reported before.
 */
import { writeSync } from 'node:fs'

export function reportLine(report: unknown): void {
  const bytes = Buffer.from(`${JSON.stringify(report)}\n`)
  for (let done = 0; done < bytes.length; ) done += writeSome(bytes, done)
}

function writeSome(bytes: Buffer, from: number): number {
  try {
    return writeSync(1, bytes, from)
  } catch (error) {
    // The pipe is full: the parent reads it.
    if ((error as { code?: unknown }).code === 'EAGAIN') return 0
    throw error
  }
}
