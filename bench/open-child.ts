/** Opens a memory and says how long that took and what it found. Then it ends without closing, or as it should. */
import { writeSync } from 'node:fs'
import { AgentMemory } from '../src/index.js'
import { childTask } from './child.js'

export interface OpenTask {
  folder: string
  /** A clean close, which leaves the folder as it was. */
  close: boolean
}

export interface OpenRun {
  ms: number
  records: number
  cleanClose: boolean
}

const { folder, close } = childTask<OpenTask>()
const started = performance.now()
const memory = await AgentMemory.open(folder)
const ms = performance.now() - started
const { records, cleanClose } = memory.status().recovery
const run: OpenRun = { ms, records, cleanClose }
writeSync(1, `${JSON.stringify(run)}\n`)
if (close) await memory.close()
else process.exit(0)
