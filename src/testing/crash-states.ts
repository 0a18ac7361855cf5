/** The disks that a power cut may leave, one by one, for whoever opens each and compares it with what was promised. */
import { type CrashChoice, systematicChoices } from './crash-plan.js'
import type { Random } from './random.js'
import type { SimulatedDisk } from './simulated-disk.js'

export interface CrashState {
  disk: SimulatedDisk
  /** How it came about, for the message of a failure. */
  choice: CrashChoice
  fingerprint: string
}

export interface CrashStatesOptions {
  random: Random
  /** The most states. Fewer come if there are fewer, or if chance finds no more. */
  count: number
}

/** Choices that come first whatever the count. */
const PLAIN_CHOICES = 4

/** How many random choices in a row may lead to states already seen before the search ends. */
const REPEATS_MAX = 50

/**
 * Up to `count` different states of a disk after a power cut at this moment: first all systematic ones (nothing kept,
 * everything, names only, data only, every prefix, all but one, only one, torn writes), then random ones. If the
 * systematic ones alone are more than `count`, an even sample of them. The disk may go on meanwhile.
 */
export function* crashStates(disk: SimulatedDisk, { random, count }: CrashStatesOptions): Generator<CrashState> {
  const still = disk.clone()
  const seen = new Set<string>()
  const choices = sample(systematicChoices(still.unsynced()), count)
  for (let repeats = 0, index = 0; seen.size < count && repeats < REPEATS_MAX; index += 1) {
    const choice: CrashChoice = choices[index] ?? { kind: 'random' }
    const crashed = still.crash(random, choice)
    const fingerprint = crashed.fingerprint()
    if (!seen.has(fingerprint)) {
      repeats = 0
      seen.add(fingerprint)
      yield { disk: crashed, choice, fingerprint }
    } else if (choice.kind === 'random') repeats += 1
  }
}

/** The plain choices, and as many of the others as there is room for, evenly spread. */
function sample(choices: CrashChoice[], count: number): CrashChoice[] {
  if (choices.length <= count) return choices
  const rest = choices.slice(PLAIN_CHOICES)
  const room = Math.max(0, count - PLAIN_CHOICES)
  const picked = Array.from({ length: room }, (_, n) => rest[Math.floor((n * rest.length) / room)])
  return [...choices.slice(0, PLAIN_CHOICES), ...picked].filter(choice => choice !== undefined)
}
