/**
 * Opens folders that power cuts have left, one after another, with the real engine on the real file system, and says
 * what each holds. A process of its own: a state that crashes it or hangs it must not take the laboratory along.
 */
import { join } from 'node:path'
import { AgentMemory } from '../src/index.js'
import { openLevelStore } from '../src/stores/level/level.js'
import { contentOf } from './content.js'
import { type FoundReport, foundIn } from './reported-history.js'
import { MAX_LOSS } from './shape.js'

export interface OpenRequest {
  id: number
  folder: string
}

export type OpenReply = { id: number } & (FoundReport | { error: string })

process.on('message', (request: OpenRequest) => void answer(request))
process.on('disconnect', () => process.exit())

async function answer({ id, folder }: OpenRequest): Promise<void> {
  let reply: OpenReply
  try {
    reply = { id, ...(await recover(folder)) }
  } catch (error) {
    reply = { id, error: describe(error) }
  }
  process.send!(reply)
}

async function recover(folder: string): Promise<FoundReport> {
  const memory = await AgentMemory.open(folder, {
    // The default store, but for the checkpoint's thread: it comes after recovery, and takes longer to start than all else.
    store: { kind: 'level', open: create => openLevelStore(join(folder, 'store'), { createIfMissing: create }) },
    segmentBytesMax: 64 * 1024,
    frameBytesMax: 64 * 1024,
    maxLoss: MAX_LOSS,
  })
  try {
    return foundIn(memory, await contentOf(memory))
  } finally {
    await memory.close({ deadlineMs: 0 })
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = 'code' in error ? `${String(error.code)}: ` : ''
  return code + error.message
}
