/** A data store that refuses what it is told to, as one with a constraint does: nothing of such an apply is applied. */
import { AgentMemoryError, type DataStore, type StoreOpener } from '../../src/index.js'

export interface Refusals {
  /** Keys that are refused, each as its last segment. */
  keys: Set<string>
  /** Whether dead letters are refused too. */
  letters: boolean
  /** Applies that were refused. */
  count: number
  /** Applies that were not refused. */
  applied: number
  /** The apply with this number fails, before or after it has committed: its caller cannot know. */
  fault?: { at: number; when: 'before' | 'after' }
}

export function refusing(opener: StoreOpener, refusals: Refusals): StoreOpener {
  return { ...opener, open: async create => refusingStore(await opener.open(create), refusals) }
}

export function newRefusals(...keys: string[]): Refusals {
  return { keys: new Set(keys), letters: false, count: 0, applied: 0 }
}

function refusingStore(store: DataStore, refusals: Refusals): DataStore {
  return {
    capabilities: store.capabilities,
    identity: () => store.identity(),
    setIdentity: identity => store.setIdentity(identity),
    mark: () => store.mark(),
    get: key => store.get(key),
    getMany: keys => store.getMany(keys),
    page: page => store.page(page),
    async apply(changes, mark) {
      const bad = changes.find(({ key, value }) =>
        isLetter(key) ? refusals.letters && value !== undefined : refusals.keys.has(nameOf(key)),
      )
      if (bad !== undefined) {
        refusals.count += 1
        throw new AgentMemoryError('STORE_REFUSED', { message: `bad data: ${nameOf(bad.key)}`, next: 'Mend it' })
      }
      const fault = ++refusals.applied === refusals.fault?.at ? refusals.fault.when : undefined
      if (fault === 'before') throw new Error('the store is down')
      await store.apply(changes, mark)
      if (fault === 'after') throw new Error('the answer of the store is lost')
    },
    flushedLsn: () => store.flushedLsn(),
    flush: () => store.flush(),
    close: () => store.close(),
  }
}

function isLetter(key: string): boolean {
  return key.startsWith('\0dead-letters\0')
}

/** The last segment of an encoded key. */
function nameOf(key: string): string {
  return key.split('\0').at(-2)!
}
