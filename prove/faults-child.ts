/**
 * A process whose file calls fail: runs the lives that its parent asks for, and tells what becomes of them. One whose
 * calls do not fail looks at what they have left.
 */
import fs, { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { StoreOpener } from '../src/index.js'
import { reportLine } from '../src/io/report-line.js'
import { openLevelStore } from '../src/stores/level/level.js'
import { contentOf } from './content.js'
import { COUNT_ALL } from './faults-cases.js'
import { describe, type FaultReport, Life, type LifeCommand, OPTIONS, type PresentFault } from './faults-life.js'
import type { FaultMutant } from './faults-run.js'
import { foundIn } from './reported-history.js'
import { readControl, writeControl } from './shim.js'
import { openOver, type StoreName } from './stores.js'

export type ChildCommand = LifeCommand | LookCommand

/** Look at what is in the folder. */
export interface LookCommand {
  look: string
  store: StoreName
}

class ControlledFault implements PresentFault {
  readonly #control: string
  #isLifted = false

  constructor(control: string) {
    this.#control = control
  }

  get hasBefallen(): boolean {
    return this.#isLifted || readControl(this.#control).hits > 0
  }

  lift(): void {
    const { hits, hit } = readControl(this.#control)
    if (hits === 0 || hit === undefined) return
    this.#isLifted = true
    report({ lifted: `${hit.call} ${hit.path}` })
    writeControl(this.#control, COUNT_ALL)
  }
}

const [control = '', mutant = ''] = process.argv.slice(2)
const documented = new Set(
  [...readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8').matchAll(/^### (\w+)$/gm)].map(m => m[1]!),
)

if ((mutant as FaultMutant) === 'ignores-failed-syncs') ignoreFailedSyncs()
process.on('unhandledRejection', error => report({ broken: `unhandledRejection: ${describe(error)}` }))
process.on('uncaughtException', error => report({ broken: `uncaughtException: ${describe(error)}` }))

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as ChildCommand
  if ('look' in command) await look(command)
  else await new Life(command, { fault: new ControlledFault(control), report, documented }).run()
  report({ done: true })
}

async function look({ look: folder, store }: LookCommand): Promise<void> {
  try {
    const memory = await openOver(store, folder, {
      ...OPTIONS,
      ...(store === 'level' && { store: storeOfThisThread(folder) }),
    })
    report(foundIn(memory, await contentOf(memory)))
    await memory.close()
  } catch (error) {
    report({ broken: `process ${process.pid} cannot open it: ${describe(error)}` })
  }
}

/** The same store without the checkpoint's thread, which takes longer to start than everything else that a look does. */
function storeOfThisThread(folder: string): StoreOpener {
  return { kind: 'level', open: create => openLevelStore(join(folder, 'store'), { createIfMissing: create }) }
}

function report(each: FaultReport): void {
  reportLine(each)
}

/** A mistake that the prover must find: the engine does not look at what a sync has answered. */
function ignoreFailedSyncs(): void {
  const { fdatasync, fdatasyncSync } = fs
  const lenient = (fd: number, done: fs.NoParamCallback) => fdatasync(fd, () => done(null))
  fs.fdatasync = Object.assign(lenient, { __promisify__: fdatasync.__promisify__ })
  fs.fdatasyncSync = fd => {
    try {
      fdatasyncSync(fd)
    } catch {
      // The mistake.
    }
  }
}
