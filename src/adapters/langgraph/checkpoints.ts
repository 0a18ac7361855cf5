/**
 * The checkpoints of one thread as they are stored: each as what it changes of its parent, and now and then one whole.
 *
 * A chain of changes ends when it is 64 long, or larger than what it began with: so what is stored is at most twice the
 * changes, and what is read for a state at most about twice the state, however long the history is.
 */
import { AgentMemoryError, type MemoryMap } from '../../index.js'
import { checkpointKey, isHashed, type MapKey, objectKey, revisionKey, segmentOf } from './keys.js'
import { Objects } from './objects.js'
import { apply, diff, mapTrees, type Patch } from './patch.js'
import { bytesOfTree, eachRef, type Tree, type TreeObject } from './tree.js'

const CHAIN_LENGTH_MAX = 64
const CHAIN_BYTES_MIN = 4096
/** Of trees that are kept in memory, for each thread. They share what they have in common. */
const KEPT_DOCUMENTS = 256
/** Levels of a document on which the order of keys means nothing: its own parts, and the channels in them. */
const UNORDERED_LEVELS = 2

export type StateMap = MemoryMap<unknown, MapKey>

/** What a checkpoint says. Channels are under names that `channelKey` has made. */
export interface Document extends TreeObject {
  /** Version of the framework's format. */
  readonly v: number
  /** When, in ms since 1970; a text if it is no time as the framework writes it. */
  readonly i: number | string
  readonly m: Tree
  /** Versions of channels. */
  readonly k: TreeObject
  /** Versions seen, by node. */
  readonly s: TreeObject
  /** Values of channels. */
  readonly c: TreeObject
}

export interface StoredCheckpoint {
  readonly namespace: string
  readonly id: string
  readonly parent: string | undefined
  readonly document: Document
  /** How often it was put before. */
  readonly revision: number
  /** How many changes lead to it from one that is whole, their bytes, and the bytes of that one. */
  readonly chain: readonly [length: number, changedBytes: number, wholeBytes: number]
}

/**
 * As it is in the map: what it says, or what it changes of its parent, which then was at a revision. The namespace is there
 * if the key does not say it.
 */
export type Entry = readonly [
  parent: string | null,
  revision: number,
  chain: readonly [number, number, number],
  content: Tree,
  parentRevision: number,
  namespace?: string,
]

/** Which checkpoints stay in a prune, of those of one namespace from the newest on; the newest always does. */
export type Stays = (checkpoint: StoredCheckpoint, place: number) => boolean

/** Something that a checkpoint refers to is gone: it was pruned or deleted since it was read, or it is damaged. */
export class Missing extends AgentMemoryError {
  constructor(what: string) {
    super('STORE_CORRUPT', {
      message: `${what} of a saved state is missing`,
      next: 'Run "npx holdfast verify" to learn what is damaged, and restore it from a backup',
    })
  }
}

/** What this process knows of a thread, as its head was at one moment. */
export class Thread {
  readonly generation: string
  /** That of the head: what is known here is known of that moment. */
  turn: number
  readonly objects: Objects
  readonly #map: StateMap
  /** By namespace, id and revision; without a revision what is there now. */
  readonly #known = new Map<string, StoredCheckpoint>()
  /** The highest id of each namespace that is known, and the namespaces of which it is the newest one. */
  readonly #highest = new Map<string, string>()
  readonly #searched = new Set<string>()

  constructor(map: StateMap, generation: string, turn: number, nextObject: number) {
    this.#map = map
    this.generation = generation
    this.turn = turn
    this.objects = new Objects(nextObject)
  }

  /** A checkpoint; `undefined` if there is none with the id. */
  async checkpoint(namespace: string, id: string, revision?: number): Promise<StoredCheckpoint | undefined> {
    // From the one that is asked for to one that is known or whole.
    const chain: { id: string; entry: Entry }[] = []
    let at = id
    let wanted = revision
    let known: StoredCheckpoint | undefined
    for (;;) {
      known = this.#known.get(nameOf(namespace, at, wanted))
      if (known !== undefined) break
      const entry = await this.#entry(namespace, at, wanted)
      if (entry === undefined) {
        if (chain.length === 0) return undefined
        throw new Missing(`The checkpoint ${at}`)
      }
      known = this.#known.get(nameOf(namespace, at, entry[1]))
      if (known !== undefined) break
      chain.push({ id: at, entry })
      const [parent, , [length], , parentRevision] = entry
      if (length === 0 || parent === null) break
      at = parent
      wanted = parentRevision
    }
    for (const link of chain.reverse()) known = this.#link(namespace, link.id, link.entry, known)
    if (revision === undefined) this.keep(known!)
    return known
  }

  /** The id of the newest checkpoint of a namespace; `undefined` if it has none. */
  async newest(namespace: string): Promise<string | undefined> {
    if (!this.#searched.has(namespace)) {
      const last = { ...checkpointsIn(this.generation, namespace), reverse: true, limit: 1 }
      for await (const { key } of this.#map.entries(last)) this.#see(namespace, key[3]!)
      this.#searched.add(namespace)
    }
    return this.#highest.get(namespace)
  }

  /** Ids are met in any order, also while a search for the newest is under way. */
  #see(namespace: string, id: string): void {
    const highest = this.#highest.get(namespace)
    if (highest === undefined || highest < id) this.#highest.set(namespace, id)
  }

  /** What to write for a checkpoint, and what it will be. `before` is what has been there under its id. */
  next(
    made: Pick<StoredCheckpoint, 'namespace' | 'id' | 'parent' | 'document'>,
    parent: StoredCheckpoint | undefined,
    before: StoredCheckpoint | undefined,
  ): { checkpoint: StoredCheckpoint; entry: Entry } {
    const revision = before === undefined ? 0 : before.revision + 1
    const whole = () => {
      const checkpoint = { ...made, revision, chain: [0, 0, bytesOfTree(made.document)] as const }
      return { checkpoint, entry: wholeEntry(checkpoint) }
    }
    if (parent === undefined || parent.id !== made.parent) return whole()
    const patch = diff(parent.document, made.document, UNORDERED_LEVELS) ?? ([1, {}] as const)
    const [length, changedBytes, wholeBytes] = parent.chain
    const bytes = changedBytes + bytesOfTree(patch)
    if (length >= CHAIN_LENGTH_MAX || bytes > Math.max(CHAIN_BYTES_MIN, wholeBytes)) return whole()
    const checkpoint = { ...made, revision, chain: [length + 1, bytes, wholeBytes] as const }
    return { checkpoint, entry: entryOf(checkpoint, patch, parent.revision) }
  }

  /** Notes what is under an id now. */
  keep(checkpoint: StoredCheckpoint): void {
    const { namespace, id, revision } = checkpoint
    this.#see(namespace, id)
    const there = this.#known.get(nameOf(namespace, id, undefined))
    // It may have been read before it was put again.
    if (there !== undefined && there.revision > revision) return
    for (const name of [nameOf(namespace, id, undefined), nameOf(namespace, id, revision)]) {
      this.#known.delete(name)
      this.#known.set(name, checkpoint)
    }
    this.#forgetSome()
  }

  #forgetSome(): void {
    for (const name of this.#known.keys()) {
      if (this.#known.size <= KEPT_DOCUMENTS) break
      this.#known.delete(name)
    }
  }

  /** Reads what trees refer to, and what that refers to, as far as it is not known yet. */
  async load(...trees: readonly Tree[]): Promise<void> {
    const { objects } = this
    const seen = new Set<number>()
    let found: number[] = []
    const visit = (tree: Tree): void =>
      eachRef(tree, number => {
        if (seen.has(number)) return
        seen.add(number)
        if (objects.has(number)) visit(objects.contentOf(number))
        else found.push(number)
      })
    trees.forEach(visit)
    while (found.length > 0) {
      const numbers = found.sort((a, b) => a - b)
      found = []
      const contents = await this.#map.getMany(numbers.map(number => objectKey(this.generation, number)))
      for (const [at, content] of contents.entries()) {
        const number = numbers[at]!
        if (content === undefined) throw new Missing(`The object ${number}`)
        objects.add(number, content)
        visit(objects.contentOf(number))
      }
    }
  }

  /** What an object says that `load` has read. */
  objectOf(number: number): Tree {
    if (!this.objects.has(number)) throw new Missing(`The object ${number}`)
    return this.objects.contentOf(number)
  }

  async #entry(namespace: string, id: string, revision: number | undefined): Promise<Entry | undefined> {
    const newest = (await this.#map.get(checkpointKey(this.generation, namespace, id), FRESH)) as Entry | undefined
    if (newest === undefined || revision === undefined || newest[1] === revision) return newest
    return (await this.#map.get(revisionKey(this.generation, namespace, id, revision))) as Entry | undefined
  }

  #link(namespace: string, id: string, entry: Entry, before: StoredCheckpoint | undefined): StoredCheckpoint {
    const [parent, revision, chain, content] = entry
    const canonical = (tree: Tree) => this.objects.canonical(tree)
    const document =
      chain[0] === 0 ? canonical(content) : apply(before!.document, mapTrees(content as unknown as Patch, canonical))
    const checkpoint = { namespace, id, parent: parent ?? undefined, document: document as Document, revision, chain }
    this.#known.set(nameOf(namespace, id, revision), checkpoint)
    this.#forgetSome()
    return checkpoint
  }
}

/** Another node may have written it: the store is asked. */
export const FRESH = { fresh: true }

/** A checkpoint by itself, whatever it was made of. */
export function wholeEntry(checkpoint: StoredCheckpoint): Entry {
  const { document } = checkpoint
  return entryOf({ ...checkpoint, chain: [0, 0, bytesOfTree(document)] }, document, 0)
}

/** The range of the checkpoints of a namespace, in the order of their ids. */
export function checkpointsIn(generation: string, namespace: string): { prefix: MapKey } {
  return { prefix: [generation, 'c', segmentOf(namespace)] }
}

function entryOf(checkpoint: StoredCheckpoint, content: unknown, parentRevision: number): Entry {
  const { parent = null, revision, chain, namespace } = checkpoint
  const entry = [parent, revision, chain, content, parentRevision] as const
  return isHashed(segmentOf(namespace)) ? [...entry, namespace] : entry
}

/** The name of a channel as a key: never one that makes a marker of the object it is in. */
export function channelKey(channel: string): string {
  return channel.startsWith('$') ? `$${channel}` : channel
}

export function channelOf(key: string): string {
  return key.startsWith('$') ? key.slice(1) : key
}

function nameOf(namespace: string, id: string, revision: number | undefined): string {
  return JSON.stringify([namespace, id, revision])
}
