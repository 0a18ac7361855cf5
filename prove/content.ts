/**
 * Everything in a memory, as its public API shows it, and whether that is all there is: no item, name or chunk stands
 * there that no shape shows, and none is missing.
 */
import { afterPrefix, decodeSegments, encodeSegment } from '../src/core/key.js'
import type { ScannedEntry } from '../src/engine/scan.js'
import type { AgentMemory } from '../src/index.js'
import { decode } from '../src/values.js'
import { nameOf, partOf } from './acceptance.js'
import type { Content } from './history.js'
import { type ListItem, listText, OWN_ID } from './list-model.js'
import { blobsOf, chatsOf, type ListPlace, listsOf, mapsOf, preferencesOf, USERS } from './shape.js'
import { digestOf } from './values.js'

export async function contentOf(memory: AgentMemory): Promise<Content> {
  const content: Content = new Map()
  for (const map of mapsOf(memory)) {
    for await (const { key, value, version } of map.entries()) {
      content.set(`${map.name}/${typeof key === 'string' ? key : key.join('/')}`, { value, version })
    }
  }
  const standing = await Standing.of(memory)
  if (standing.isEmpty) return content
  for (const [key, value] of await shapesOf(memory, standing)) {
    content.set(key, { value, version: standing.versionOf(key) })
  }
  standing.checkShown(content)
  return content
}

/** Resolves once no chunk is left that is to be removed. `pass` lets time go by. */
export async function removed(memory: AgentMemory, pass: () => Promise<unknown>): Promise<void> {
  while ((await Standing.of(memory)).hasOrphans) await pass()
}

/** All entries of shapes as they stand beside the maps, at one moment. */
class Standing {
  readonly #versions = new Map<string, number>()
  /** Parts of lists, less those that have been shown. */
  readonly #parts = new Set<string>()
  hasOrphans = false

  static async of(memory: AgentMemory): Promise<Standing> {
    const { engine } = mapsOf(memory)[0]!
    const lead = encodeSegment('')
    const standing = new Standing()
    const range = { from: lead, to: afterPrefix(lead), reverse: false }
    const entries: ScannedEntry[] = []
    // In one page, which is of one moment: between two of them chunks come and go.
    for await (const page of engine.scanner.pages(range, 65_536)) entries.push(...page)
    standing.#add(entries)
    return standing
  }

  get isEmpty(): boolean {
    return this.#versions.size + this.#parts.size === 0
  }

  #add(entries: readonly ScannedEntry[]): void {
    // How many chunks of each generation a manifest or an orphan speaks of.
    const named = new Map<string, number>()
    const chunks: [generation: string, index: number][] = []
    for (const entry of entries) {
      const segments = decodeSegments(entry.key)
      const [, kind, name] = segments
      // What the store has refused shows as what it is of.
      if (segments[0] === '' && kind === 'dead-letters') continue
      const part = partOf(segments)
      if (part === 'list') this.#parts.add(nameOf(entry.key))
      else if (part === undefined) this.#versions.set(nameOf(entry.key), entry.lsn)
      else if (name !== '') chunks.push([segments[4]!, Number(segments[5])])
      if (kind !== 'blobs' || (part === 'blob' && name !== '')) continue
      const { generation, chunks: count, size, chunkBytes } = decode(entry) as NamedChunks
      named.set(generation, count ?? Math.ceil(size! / chunkBytes!))
      if (part === 'blob') this.hasOrphans = true
    }
    const unnamed = chunks.find(([generation, index]) => index >= (named.get(generation) ?? 0))
    if (unnamed !== undefined) throw new Error(`chunk ${unnamed[1]} of ${unnamed[0]} is there, and nothing names it`)
  }

  has(key: string): boolean {
    return this.#versions.has(key)
  }

  versionOf(key: string): number {
    const version = this.#versions.get(key)
    if (version === undefined) throw new Error(`${key} is shown, and is not there`)
    return version
  }

  /** A part of a list is there, and belongs to what is shown. */
  shows(part: string): void {
    if (!this.#parts.delete(part)) throw new Error(`${part} is shown, and is not there`)
  }

  checkShown(content: Content): void {
    const left = [...this.#parts, ...[...this.#versions.keys()].filter(key => !content.has(key))]
    if (left.length > 0) throw new Error(`${left.slice(0, 3).join(', ')}: there, and nothing shows it`)
  }
}

/** Of a manifest, or of an orphan. */
interface NamedChunks {
  generation: string
  chunks?: number
  size?: number
  chunkBytes?: number
}

async function shapesOf(memory: AgentMemory, standing: Standing): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (const list of listsOf(memory)) {
    if (standing.has(list.head)) found.set(list.head, await listIn(list, standing))
  }
  for (const { conversations, lead } of chatsOf(memory)) {
    for (const id of await conversations.list()) {
      if (!found.has(lead + String(id))) throw new Error(`there is a conversation ${lead}${String(id)}`)
    }
  }
  const { preferences, lead } = preferencesOf(memory)
  for (const user of USERS) {
    for (const [key, value] of Object.entries(await preferences.all(user))) found.set(`${lead}${user}/${key}`, value)
  }
  const files = blobsOf(memory)
  for await (const { key } of files.blobs.list()) {
    const blob = await files.blobs.get(key)
    found.set(files.lead + key, digestOf(await blob!.bytes()))
  }
  return found
}

async function listIn(list: ListPlace, standing: Standing): Promise<string> {
  const positions: number[] = []
  const items: ListItem[] = []
  const show = (position: number, label: string, value: string, id?: string) => {
    const text = String(position).padStart(16, '0')
    standing.shows(`${list.head.replace('/heads/', '/items/')}/${text}`)
    if (id !== undefined) standing.shows(`${list.head.replace('/heads/', '/names/')}/${id}`)
    positions.push(position)
    items.push([label, digestOf(value)])
  }
  let next = 0
  if (list.kind === 'sequence') {
    for await (const { position, value } of list.sequence.read()) show(position, String(position), value)
    next = (await list.sequence.bounds()).next
  } else {
    for (const { position, id, message } of await list.conversations.history(list.id, 1000)) {
      show(position, labelOf(id), message.content, id)
    }
  }
  const gap = positions.findIndex((position, index) => index > 0 && position !== positions[index - 1]! + 1)
  if (gap !== -1) throw new Error(`${list.head} has a gap before position ${positions[gap]}`)
  return listText({ next, items })
}

function labelOf(id: string): string {
  return id.startsWith('m') ? id : OWN_ID
}
