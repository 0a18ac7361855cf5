/** What P3 has acknowledged before it kills: 1,000 writes, known to the killed process and to the one that looks. */
import { keyOf, makeValues } from './workload.js'
import type { WriteBackName } from './write-back-sides.js'

/** When the process dies, seen from its last acknowledgement. */
export type Moment = 'at once' | 'after the bound' | 'settled' | 'write-ahead'

export interface KeptTask {
  side: WriteBackName
  folder: string
  moment: Moment
}

export const KEPT_WRITES = 1000

export const keptKeys = Array.from({ length: KEPT_WRITES }, (_, number) => keyOf(number))
const values = makeValues(1)
export const keptValues = keptKeys.map((_, number) => values[number % values.length]!)
