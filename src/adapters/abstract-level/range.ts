/** Ranges: as a Level database is given them, and as a map takes them. */
import type { RangeOptions } from '../../index.js'
import { textOf } from './bytes.js'

/** What abstract-level makes of the options of a range: bounds are encoded, and a limit of -1 is none. */
export interface LevelRange {
  gt?: Buffer
  gte?: Buffer
  lt?: Buffer
  lte?: Buffer
  reverse?: boolean
  limit?: number
}

export function rangeOf({ gt, gte, lt, lte, reverse, limit = -1 }: LevelRange): RangeOptions<string> {
  const range: RangeOptions<string> = { reverse: reverse === true }
  // In Level a bound that is within the range hides the other one of its side; in a map the narrower one counts.
  if (gte !== undefined) range.gte = textOf(gte)
  else if (gt !== undefined) range.gt = textOf(gt)
  if (lte !== undefined) range.lte = textOf(lte)
  else if (lt !== undefined) range.lt = textOf(lt)
  if (limit >= 0) range.limit = limit
  return range
}
