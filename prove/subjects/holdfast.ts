/** Holdfast as it comes, but for small segments, so that they fill up: awaited writes of the default durability. */
import { AgentMemory } from '../../src/index.js'
import type { OpenSubject, Subject } from './subject.js'

const SEGMENT_BYTES_MAX = 256 * 1024
const CLOSE_DEADLINE_MS = 2000

export const holdfast: Subject = {
  configuration: () => 'segments of 256 KiB, close within 2 s, else default options; awaited set, write-ahead',

  async open(folder): Promise<OpenSubject> {
    const memory = await AgentMemory.open(folder, { segmentBytesMax: SEGMENT_BYTES_MAX })
    const map = memory.map<string, string>('kv')
    return {
      put: async (key, value) => void (await map.set(key, value)),
      async entries() {
        const found: [string, string][] = []
        for await (const { key, value } of map.entries()) found.push([key, value])
        return found
      },
      close: async () => void (await memory.close({ deadlineMs: CLOSE_DEADLINE_MS })),
    }
  },
}
