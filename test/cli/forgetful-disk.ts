/**
 * Loaded into the processes that the doctor kills, it makes their disk forget: after the first few frames of the log,
 * writes of further ones answer as if they were done, and are not.
 */
import fs from 'node:fs'

const KEPT = 5
const FRAME = 'HFFR'
let seen = 0

const writeSync = fs.writeSync as (fd: number, buffer: Buffer, ...rest: number[]) => number
const write = fs.write as unknown as (fd: number, buffer: Buffer, ...rest: unknown[]) => void

if (process.argv[1]?.endsWith('life.js') === true) {
  fs.writeSync = ((fd: number, buffer: Buffer, ...rest: number[]) =>
    isForgotten(buffer) ? buffer.length : writeSync(fd, buffer, ...rest)) as typeof fs.writeSync
  fs.write = ((fd: number, buffer: Buffer, ...rest: unknown[]) => {
    const done = rest.at(-1) as (error: null, written: number) => void
    if (isForgotten(buffer)) setImmediate(() => done(null, buffer.length))
    else write(fd, buffer, ...rest)
  }) as unknown as typeof fs.write
}

function isForgotten(buffer: Buffer): boolean {
  if (!Buffer.isBuffer(buffer) || buffer.toString('latin1', 0, FRAME.length) !== FRAME) return false
  seen += 1
  return seen > KEPT
}
