/** Ordered scans of a shared store: what this node has accepted goes there first, so that the store alone is asked. */
import type { KeyRange } from '../../tier/ordered-keys.js'
import type { ScannedEntry } from '../scan.js'
import type { DirectLink } from './link.js'
import type { DirectReader } from './reader.js'
import type { DirectWriter } from './writer.js'

/** The entries of a range in its order, in pages of at most `pageSize`. */
export async function* directPages(
  { reader, writer }: { reader: DirectReader; writer: DirectWriter },
  link: DirectLink,
  range: KeyRange,
  pageSize: number,
): AsyncGenerator<ScannedEntry[]> {
  const rest = { ...range }
  while (rest.from < rest.to) {
    await writer.stored()
    const stored = await link.call(store => store.page({ ...rest, limit: pageSize }))
    const entries = stored.flatMap(({ key, value }) => {
      const found = reader.live(reader.fromStored(key, value))
      return found === undefined ? [] : [{ ...found, key }]
    })
    if (entries.length > 0) yield entries
    if (stored.length < pageSize) return
    const last = stored.at(-1)!.key
    // The next key after `last` in byte order is `last` with a zero byte behind it.
    if (rest.reverse) rest.to = last
    else rest.from = `${last}\0`
  }
}
