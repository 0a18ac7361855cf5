/** docs/proof.md, from the results of a run. */
import { type MutantsResult, replayOf } from './mutants.js'
import type { PartResult } from './part.js'
import type { PeersResult } from './peers.js'
import { PEER_LINES } from './peers-command.js'
import type { StepResult } from './profile.js'
import { PARTS } from './report-parts.js'

type MutantsStep = StepResult & MutantsResult
type PeersStep = StepResult & PeersResult

export function proofText(profile: string, results: readonly StepResult[], ms: number): string {
  const names = [...new Set(results.map(({ name }) => name))]
  return `${[
    '# Proof',
    `Made by \`npm run prove -- ${profile} --write\`: Node ${process.versions.node}, ${process.platform}, ${minutes(ms)} in all. Do not edit; run it again.`,
    'A promise is broken if anything that was acknowledged is gone, if anything is read that was never written, if a batch is there in part, if an error has no code, or if something hangs. Each failure would print the command that shows it again.',
    '## What was run',
    table(
      ['part', 'command', 'broken', 'time'],
      results.map(result => [
        result.name,
        `\`${result.command}\``,
        brokenText(result),
        `${Math.round(result.ms / 1000)} s`,
      ]),
    ),
    ...names.flatMap(name =>
      partText(
        name,
        results.filter(each => each.name === name),
      ),
    ),
  ].join('\n\n')}\n`
}

function partText(name: string, results: readonly StepResult[]): string[] {
  // `kill on sqlite` is what `kill` does.
  const { does, cannotSee } = PARTS[name.split(' ')[0]!]!
  const rows = results.flatMap(({ counts }) => Object.entries(counts).map(([what, count]) => [what, format(count)]))
  const failures = results.flatMap(each =>
    each.failures.map(({ what, replay }) => `- ${what.split('\n')[0]} (\`${replay}\`)`),
  )
  const notRun = results.flatMap(each => (each.notRun === undefined ? [] : [`Not run: ${each.notRun}.`]))
  return [
    `## ${name}`,
    does,
    `**What it cannot see.** ${cannotSee}`,
    ...notRun,
    table(['looked at', 'count'], rows),
    ...(failures.length === 0 ? [] : ['**Broken:**', failures.join('\n')]),
    ...results.flatMap(result =>
      isOfMutants(result) ? mutantsText(result) : isOfPeers(result) ? peersText(result) : [],
    ),
  ]
}

function mutantsText({ rows }: MutantsStep): string[] {
  const found = rows.map(({ name, what, breaks, hunts }) => {
    const { hunter, isCaught, after } = hunts.at(-1)!
    return [name, what, breaks, isCaught ? hunter : '**nobody**', after, `\`${replayOf(name, hunter)}\``]
  })
  return [
    '### Which part finds which bug',
    table(['bug', 'what the code then does', 'breaks', 'found by', 'after', 'command'], found),
  ]
}

function peersText({ rows }: PeersStep): string[] {
  if (rows.length === 0) return []
  const lines = PEER_LINES.map(([what, of]) => [what, ...rows.map(row => format(of(row)))])
  return [
    rows.map(({ subject, configuration }) => `- ${subject}: ${configuration}`).join('\n'),
    table(['', ...rows.map(({ subject }) => subject)], lines),
  ]
}

function isOfMutants(result: StepResult): result is MutantsStep {
  return result.name === 'mutants' && 'rows' in result
}

function isOfPeers(result: StepResult): result is PeersStep {
  return result.name === 'peers' && 'rows' in result
}

function brokenText({ failures, notRun }: PartResult): string {
  return notRun === undefined ? String(failures.length) : 'not run'
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

function format(count: number | undefined): string {
  return count === undefined ? '-' : count.toLocaleString('en-US')
}

function minutes(ms: number): string {
  return `${(ms / 60_000).toFixed(1)} minutes`
}
