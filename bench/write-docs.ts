/** `--write`: docs/benchmarks.md and docs/benchmarks/*.svg, made anew from the lines of this run. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AgentMemory } from '../src/index.js'
import { documentOf, type Machine } from './document.js'
import { inFolder } from './folders.js'
import type { Line } from './line.js'
import type { BenchOptions } from './options.js'
import { plotsOf } from './plots.js'

// From dist/bench/write-docs.js.
const docs = fileURLToPath(new URL('../../docs', import.meta.url))

/** Returns the path of the document. */
export async function writeDocs(lines: readonly Line[], options: BenchOptions): Promise<string> {
  const plots = plotsOf(lines)
  const text = documentOf(lines, options, await machineOf(), new Set(plots.keys()))
  const folder = join(docs, 'benchmarks')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const [name, svg] of plots) writeFileSync(join(folder, `${name}.svg`), `${svg}\n`)
  const path = join(docs, 'benchmarks.md')
  writeFileSync(path, text)
  return path
}

/** What the figures depend on, without saying whose machine it was. */
async function machineOf(): Promise<Machine> {
  const folderKind = await inFolder(async folder => {
    const memory = await AgentMemory.open(join(folder, 'memory'))
    try {
      return memory.status().folderKind
    } finally {
      await memory.close()
    }
  })
  const system = `${process.platform} ${process.arch}`
  const minutes = performance.now() / 60_000
  return { node: process.version, system, cores: availableParallelism(), folderKind, minutes }
}
