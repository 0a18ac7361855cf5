/** What every part of the laboratory hands back, and how it is told. */

/** One attack, as the profiles run it and docs/proof.md prints it. */
export interface PartResult {
  name: string
  seed: number
  /** What was looked at, in words: `{ calls: 61, runs: 732 }`. */
  counts: Record<string, number>
  /** `replay`: the command that shows it again. */
  failures: { what: string; replay: string }[]
  /** Why the part could not run on this machine (no compiler, no package); it then counts as not run, never as passed. */
  notRun?: string
  ms: number
}

const SHOWN_FAILURES = 5

/** Prints a result, for people or as JSON, and sets the exit code: 1 if anything is broken. */
export function tellPart(result: PartResult, asJson = false): void {
  process.exitCode = result.failures.length > 0 ? 1 : 0
  if (asJson) {
    console.log(JSON.stringify({ ...result, ms: Math.round(result.ms) }))
    return
  }
  for (const { what, replay } of result.failures.slice(0, SHOWN_FAILURES)) {
    console.log(`\nBROKEN: ${what}\n  again: ${replay}`)
  }
  console.log(`\n${summaryOf(result)}`)
}

/** One line: what was looked at, and what came of it. */
export function summaryOf({ name, seed, counts, failures, notRun, ms }: PartResult): string {
  if (notRun !== undefined) return `${name}: not run, ${notRun}`
  const verdict = failures.length === 0 ? 'every promise was kept' : `${failures.length} BROKEN PROMISES`
  return `${name} (seed ${seed}): ${countsText(counts)}; ${(ms / 1000).toFixed(1)} s: ${verdict}`
}

export function countsText(counts: Record<string, number>): string {
  return Object.entries(counts)
    .map(([what, count]) => `${count.toLocaleString('en-US')} ${what}`)
    .join(', ')
}
