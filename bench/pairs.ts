/** Runs of two sides, one after the other, again and again. */
import { progress } from './progress.js'

/** `run` is given the side and a seed, which is the same for both runs of a pair. */
export async function runPairs<S extends string, T>(
  count: number,
  label: string,
  peer: S,
  run: (side: S | 'ours', seed: number) => Promise<T>,
): Promise<{ ours: T; theirs: T }[]> {
  const pairs: { ours: T; theirs: T }[] = []
  for (let pair = 1; pair <= count; pair++) {
    progress(`${label} ${peer} ${pair}/${count}`)
    // The order changes from pair to pair, so that what the one leaves behind does not always meet the other.
    const before = pair % 2 === 1 ? await run('ours', pair) : undefined
    const theirs = await run(peer, pair)
    pairs.push({ ours: before ?? (await run('ours', pair)), theirs })
  }
  return pairs
}
