/**
 * The three durabilities, as rows of a table: what the promise of a write waits for. The write path is the same for all
 * of them (engine/write.ts); nothing but this table knows how they differ.
 */
export type Durability = 'write-back' | 'write-ahead' | 'write-through'

/** What a write has reached: the tier (RAM), the log, the data store. */
export type Milestone = 'tier' | 'log' | 'store'

export const DURABILITIES: readonly Durability[] = ['write-back', 'write-ahead', 'write-through']

/** The milestone at which a write's promise resolves. */
export const MILESTONE: Record<Durability, Milestone> = {
  'write-back': 'tier',
  'write-ahead': 'log',
  'write-through': 'store',
}

/** The strongest of some durabilities; `undefined` for none. A batch is as durable as the strongest of its writes. */
export function strongest(durabilities: readonly Durability[]): Durability | undefined {
  let best = -1
  for (const durability of durabilities) best = Math.max(best, DURABILITIES.indexOf(durability))
  return DURABILITIES[best]
}
