/** A data store that objects to some rows for good, as one with a constraint does: nothing of their apply is applied. */
import { crc32 } from 'node:zlib'
import { AgentMemoryError, type DataStore } from '../src/index.js'
import type { Change } from '../src/stores/data-store.js'

export interface Refusals {
  /** False while the rule is mended: everything is taken then. */
  areOn: boolean
}

/** Of so many rows it refuses one. */
const REFUSED_OF = 12
/** A dead letter is kept whatever it is of, or there would be none. */
const LETTERS = '\0dead-letters\0'

export function refusing(store: DataStore, refusals: Refusals): DataStore {
  const applyAll = store.apply.bind(store)
  store.apply = async (changes, mark) => {
    const refused = refusals.areOn ? changes.find(isRefused) : undefined
    if (refused !== undefined) {
      throw new AgentMemoryError('STORE_REFUSED', { message: `${refused.key} breaks a rule`, next: 'Mend the rule' })
    }
    await applyAll(changes, mark)
  }
  return store
}

/** The same row always, whoever asks after whatever crash. */
function isRefused({ key, value }: Change): boolean {
  return value !== undefined && !key.startsWith(LETTERS) && crc32(value) % REFUSED_OF === 0
}
