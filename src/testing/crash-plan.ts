/** Which of the operations that are pending a power cut keeps: every systematic choice, and random ones. */
import type { CrashPlan } from './disk-state.js'
import { isDataOp, type Kept, type PendingOp, type SectorRun, sectorsOf } from './pending-ops.js'
import { type Random, randomBelow } from './random.js'

/** Indexes and counts are in the order of `SimulatedDisk.unsynced()`: data and names of all files together. */
export type CrashChoice =
  | { kind: 'nothing' }
  | { kind: 'everything' }
  /** Each name that was given and nothing else: files are empty, or as they were at their last sync. */
  | { kind: 'names only' }
  | { kind: 'data only' }
  | { kind: 'prefix'; count: number }
  | { kind: 'drop one'; index: number }
  | { kind: 'keep one'; index: number }
  /** One write is torn; of the others all are kept, or those before it. */
  | { kind: 'torn'; index: number; kept: Kept; others: 'all' | 'before' }
  /** For each file and folder on its own: none, all, a prefix, all but one, one, any subset; writes torn as well. */
  | { kind: 'random' }

/** What a choice keeps of some operations. `random` is used by the random choice only. */
export function planCrash(ops: readonly PendingOp[], choice: CrashChoice, random: Random): CrashPlan {
  if (choice.kind === 'random') return randomPlan(ops, random)
  return new Map(ops.map((op, index) => [op.seq, keptBy(choice, op, index)]))
}

/** Every choice that follows from the operations alone, the plainest first. */
export function systematicChoices(ops: readonly PendingOp[]): CrashChoice[] {
  const indexes = ops.map((_, index) => index)
  return [
    { kind: 'nothing' },
    { kind: 'everything' },
    { kind: 'names only' },
    { kind: 'data only' },
    ...indexes.slice(1).map((count): CrashChoice => ({ kind: 'prefix', count })),
    ...indexes.map((index): CrashChoice => ({ kind: 'drop one', index })),
    ...indexes.map((index): CrashChoice => ({ kind: 'keep one', index })),
    ...ops.flatMap((op, index) => tornChoices(op, index)),
  ]
}

function keptBy(choice: Exclude<CrashChoice, { kind: 'random' }>, op: PendingOp, index: number): Kept {
  switch (choice.kind) {
    case 'nothing':
      return 'none'
    case 'everything':
      return 'all'
    case 'names only':
      return isDataOp(op) ? 'none' : 'all'
    case 'data only':
      return isDataOp(op) ? 'all' : 'none'
    case 'prefix':
      return index < choice.count ? 'all' : 'none'
    case 'drop one':
      return index === choice.index ? 'none' : 'all'
    case 'keep one':
      return index === choice.index ? 'all' : 'none'
    case 'torn':
      if (index === choice.index) return choice.kept
      return choice.others === 'all' || index < choice.index ? 'all' : 'none'
  }
}

function tornChoices(op: PendingOp, index: number): CrashChoice[] {
  return systematicTears(sectorsOf(op)).flatMap((kept): CrashChoice[] => [
    { kind: 'torn', index, kept, others: 'before' },
    { kind: 'torn', index, kept, others: 'all' },
  ])
}

function systematicTears(sectors: number): Kept[] {
  if (sectors === 0) return []
  if (sectors === 1) return ['size']
  const half = Math.floor(sectors / 2)
  return [
    'size',
    [{ from: 0, to: 1 }],
    [{ from: 0, to: half }],
    [{ from: 0, to: sectors - 1 }],
    [{ from: half, to: sectors }],
    [{ from: 1, to: sectors }],
    [
      { from: 0, to: 1 },
      { from: sectors - 1, to: sectors },
    ],
  ]
}

function randomPlan(ops: readonly PendingOp[], random: Random): CrashPlan {
  // Often a disk loses nearly nothing: all up to some moment is there, and what was under way is torn.
  const isInOrder = random() < 0.25
  const groups = isInOrder ? [ops] : groupByOwner(ops)
  const plan = new Map<number, Kept>()
  for (const group of groups) {
    const kept = isInOrder ? tornPrefix(group, random) : randomKept(group, random)
    for (const [index, op] of group.entries()) plan.set(op.seq, kept[index] ?? 'none')
  }
  return plan
}

function groupByOwner(ops: readonly PendingOp[]): PendingOp[][] {
  const groups = new Map<number, PendingOp[]>()
  for (const op of ops) {
    const group = groups.get(op.owner)
    if (group === undefined) groups.set(op.owner, [op])
    else group.push(op)
  }
  return [...groups.values()]
}

function tornPrefix(ops: readonly PendingOp[], random: Random): Kept[] {
  const end = randomBelow(random, ops.length + 1)
  const firstTorn = Math.max(0, end - 1 - randomBelow(random, 3))
  return ops.map((op, index) => (index >= end ? 'none' : index < firstTorn ? 'all' : randomTear(op, random)))
}

function randomKept(ops: readonly PendingOp[], random: Random): Kept[] {
  const chosen = randomBelow(random, ops.length)
  const share = random()
  switch (randomBelow(random, 7)) {
    case 0:
      return []
    case 1:
      return ops.map(() => 'all')
    case 2:
      return ops.map((_, index) => (index <= chosen ? 'all' : 'none'))
    case 3:
      return ops.map((_, index) => (index === chosen ? 'none' : 'all'))
    case 4:
      return ops.map((op, index) => (index === chosen ? randomTear(op, random) : 'none'))
    case 5:
      return ops.map(() => (random() < share ? 'all' : 'none'))
    default:
      return ops.map(op => (random() < share ? randomTear(op, random) : 'none'))
  }
}

/** All of an operation, or some of a write. */
function randomTear(op: PendingOp, random: Random): Kept {
  const sectors = sectorsOf(op)
  if (sectors === 0) return 'all'
  switch (randomBelow(random, 4)) {
    case 0:
      return 'all'
    case 1:
      return sectors === 1 ? 'size' : [{ from: 0, to: 1 + randomBelow(random, sectors - 1) }]
    case 2:
      return random() < 0.25 ? 'size' : randomRuns(sectors, 1, random)
    default:
      // Longer runs, so that a large write also loses its pages whole.
      return randomRuns(sectors, Math.max(1, sectors / 8), random)
  }
}

/** Runs that are kept and runs that are not, in turn, each of `mean` sectors or so. With 1 it is any subset. */
function randomRuns(sectors: number, mean: number, random: Random): SectorRun[] {
  // The number of runs is bounded: a write of many MiB has too many sectors to toss a coin for each.
  const runMean = Math.max(mean, sectors / 64)
  const runs: SectorRun[] = []
  let isKept = random() < 0.5
  for (let from = 0; from < sectors; isKept = !isKept) {
    const length = runMean === 1 ? geometric(random) : 1 + Math.floor(-Math.log(1 - random()) * runMean)
    const to = Math.min(sectors, from + length)
    if (isKept) runs.push({ from, to })
    from = to
  }
  return runs
}

/** 1 with a chance of 1/2, 2 with 1/4, …: the lengths of runs of equal tosses of a coin. */
function geometric(random: Random): number {
  return 1 + Math.floor(-Math.log2(1 - random()))
}
