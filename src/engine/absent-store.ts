/** What stands for the store of a memory that was opened while it was away: nothing can be asked of it. */
import type { DataStore, StoreCapabilities } from '../stores/data-store.js'
import { storeDownError } from './failures.js'

/** `cause` is why it could not be opened. */
export function absentStore(kind: string, cause: unknown): DataStore {
  const capabilities: StoreCapabilities = { kind, durableCommit: true, persistent: true }
  const away = async () => {
    throw storeDownError(cause)
  }
  return {
    capabilities,
    identity: away,
    setIdentity: away,
    mark: away,
    get: away,
    getMany: away,
    page: away,
    apply: away,
    flushedLsn: away,
    flush: away,
    close: async () => {},
  }
}
