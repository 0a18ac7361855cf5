/**
 * A process that opens a memory in Postgres and says so; then it writes as write-through whatever a line of its input
 * says, and answers with `written`, or with the code of the error.
 */
import { createInterface } from 'node:readline'
import { AgentMemory } from '../../src/index.js'
import { openerOf } from './helpers.js'

const [url, folder, leaseMs] = process.argv.slice(2) as [string, string, string]
const store = openerOf(url, { leaseMs: Number(leaseMs) })
const memory = await AgentMemory.open(folder, { segmentBytesMax: 64 * 1024, storeDeadlineMs: 2000, store })
const map = memory.map<string>('m')
memory.on('storeDown', ({ error }) => process.stdout.write(`down ${error.message}\n`))
await map.set('k', 'first', { durability: 'write-through' })
process.stdout.write('open\n')
for await (const line of createInterface({ input: process.stdin })) {
  const answer = await map.set('k', line, { durability: 'write-through' }).then(
    () => 'written',
    (error: { code: string }) => error.code,
  )
  process.stdout.write(`${answer}\n`)
}
