/** Following a list: what it holds, then what comes, each once it is on stable storage. */
import { WrongCallError } from '../core/errors.js'
import type { EncodedKey } from '../core/key.js'
import { closedError } from '../engine/failures.js'
import { checkObject } from '../option-checks.js'
import type { Home } from './home.js'
import type { Lists } from './lists.js'
import { checkPosition } from './options.js'
import { type FoundItem, syncedItems } from './reading.js'

export interface FollowOptions {
  /** The first position. @defaultValue that of the oldest item */
  from?: number
  /** Ends it: the iterator throws the signal's reason. */
  signal?: AbortSignal
}

/** Checks the options now, and begins at the first `next`. */
export function follow<Item>(
  home: Home,
  lists: Lists,
  id: EncodedKey,
  options: FollowOptions,
  show: (item: FoundItem) => Item,
): AsyncGenerator<Item, void, void> {
  home.checkOpen()
  checkObject(options, 'follow', ['from', 'signal'])
  const { from = 0, signal } = options
  checkPosition(from, 'from')
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new WrongCallError('INVALID_OPTION', {
      message: `The option "signal" is ${typeof signal}`,
      next: 'Give the signal of an AbortController',
    })
  }
  return followFrom(home, lists, id, from, signal, show)
}

async function* followFrom<Item>(
  home: Home,
  lists: Lists,
  id: EncodedKey,
  from: number,
  signal: AbortSignal | undefined,
  show: (item: FoundItem) => Item,
): AsyncGenerator<Item, void, void> {
  home.checkOpen()
  signal?.throwIfAborted()
  const { engine } = home.core
  const { feeds } = engine
  const key = lists.headKey(id)
  // Before the first look: what is written behind that must wake it.
  const follower = feeds.follow(key)
  const onAbort = () => follower.stop(signal!.reason)
  signal?.addEventListener('abort', onAbort)
  const forget = home.onClose(() => follower.stop(closedError()))
  try {
    let at = Math.max(from, (await lists.bounds(id)).first)
    for (;;) {
      follower.check()
      const { items, position, isEnd } = await syncedItems(lists, id, at, () => engine.durableLsn)
      for (const item of items) {
        follower.check()
        yield show(item)
      }
      at = position
      if (isEnd) await follower.woken()
    }
  } finally {
    forget()
    signal?.removeEventListener('abort', onAbort)
    feeds.unfollow(key, follower)
  }
}
