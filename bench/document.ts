/** docs/benchmarks.md, from the lines of a run. It says of each figure what it is, and of none what it should have been. */
import { goalText, isMeasured, isShares, type Line, type MeasuredLine } from './line.js'
import { type BenchOptions, CASES, type CaseName } from './options.js'
import { cellsOf, HEAD, SHARES_HEAD, sharesCellsOf } from './report.js'

export interface Machine {
  node: string
  system: string
  cores: number
  /** Kind of the file system that was written to. */
  folderKind: string
  /** How long the run has taken. */
  minutes: number
}

interface Chapter {
  title: string
  text: string
  plot?: { name: string; alt: string }
}

const CHAPTERS: Record<CaseName, Chapter> = {
  P1: {
    title: 'durable writes a second',
    text: 'Many writers, each of which awaits its write before the next; a write counts once it is on stable storage.',
    plot: { name: 'p1', alt: 'Bars of durable writes a second for each side' },
  },
  P2: {
    title: 'how long one durable write takes',
    text: 'One writer. The floor is a write of 4,096 bytes into a synced file of zeros and its `fdatasync`, by the same process.',
    plot: { name: 'p2', alt: 'Percentiles of the time of one durable write for each side' },
  },
  P3: {
    title: 'write-back',
    text: `Writes that are acknowledged before the disk has them. After a kill, 1,000 acknowledged writes are looked for: at once
the declared bound allows write-back to have lost all of them; after the bound has passed, or after \`flush()\`, none.
Of several kills the worst counts against the limit.`,
  },
  P4: {
    title: 'reads of what is held',
    text: `\`await map.get(key)\` returns a promise, as it may have to read a disk; \`lru.get(key)\` of lru-cache returns the value.
Both are measured as a user would write them, and lru-cache once more with an \`await\` that it does not need.`,
  },
  P5: {
    title: 'sustained writes',
    text: 'Every key once, in random order, with checkpoints running, until all are acknowledged.',
    plot: { name: 'p5', alt: 'Writes a second of both sides while the keys are written' },
  },
  P6: {
    title: 'recovery',
    text: 'The open of a memory whose process was killed while the data store was down, and of one that was closed cleanly.',
  },
  P8: {
    title: 'into Postgres',
    text: `A checkpoint of values of 1 KiB into a Postgres, rows a second, against upserts of one row each on one connection,
each its own transaction; then writes as write-through of 32 writers, against upserts over 32 connections. All of it again
with a synchronous standby, which each commit waits for.`,
  },
  P9: {
    title: 'cost as a memory grows',
    text: 'The same work in memories of different size. Flat is a ratio of 1.',
    plot: { name: 'p9', alt: 'Cost of put and get by number of keys' },
  },
  conversations: {
    title: 'cost as a conversation grows',
    text: 'The same work on conversations of different length. Flat is a ratio of 1.',
  },
  memory: {
    title: 'what many entries take',
    text: 'The anonymous memory of a process with default options that writes, reads at random, scans and closes.',
  },
  size: {
    title: 'compression',
    text: `Recorded runs, each message a value and each run a value: bytes of the log's frames, and of the data store after a
checkpoint and an open. LevelDB compresses its tables by itself, so the plain store is no plain sum of its values.`,
  },
  profile: {
    title: 'where the time goes',
    text: `CPU profiles of our side, a row for each thread that runs JavaScript, as shares of its time. What V8's and LevelDB's own
threads do is not in them. [bench/profile.md](../bench/profile.md) says what follows from them for each goal that is missed.`,
  },
}

/** `plots`: the names of those that there are. */
export function documentOf(
  lines: readonly Line[],
  options: Pick<BenchOptions, 'quick' | 'keys' | 'pairs' | 'input'>,
  machine: Machine,
  plots: ReadonlySet<string>,
): string {
  const chapters = CASES.map(name => chapterOf(name, lines, plots)).filter(text => text !== '')
  return `${[headOf(lines, options, machine), verdictOf(lines), ...chapters].join('\n\n')}\n`
}

function headOf(
  lines: readonly Line[],
  { quick, keys, pairs, input }: Pick<BenchOptions, 'quick' | 'keys' | 'pairs' | 'input'>,
  { node, system, cores, folderKind, minutes }: Machine,
): string {
  const floor = lines.filter(isMeasured).find(line => line.case === 'P2' && line.goal !== null)
  const values = input === undefined ? 'random strings of 300 bytes' : 'messages of recorded runs as JSON text'
  const facts = [
    `Node ${node}, ${system}, ${cores} cores`,
    `file system: ${folderKind}`,
    `floor of a durable write: ${floor === undefined ? 'not measured' : `${floor.theirs} µs (${floor.peer}, median)`}`,
    `values: ${values}`,
    `${pairs} pairs of runs a comparison (P5: up to 3); up to ${grouped(keys)} keys; ${Math.ceil(minutes)} minutes in all`,
  ]
  return `# Benchmarks

<!-- Made by \`npm run bench -- --write\` from one run. Change bench/document.ts instead. -->

Holdfast against what one would use otherwise, side by side on one machine.
${quick ? '\n**A run with `--quick`: it shows that everything works. Its figures are not to be quoted.**\n' : ''}
${facts.map(fact => `- ${fact}`).join('\n')}

Numbers of different machines say little, so what counts are ratios, ours / theirs, of runs back to back: their median,
with the smallest and the largest beside it. Sync calls for each acknowledged write, ours and theirs, were counted in
runs of their own, by \`strace\` where no other word stands there, those of a server in the server.
[bench/README.md](../bench/README.md) says how each side is set up.`
}

function verdictOf(lines: readonly Line[]): string {
  const judged = lines.filter(isMeasured).filter(line => line.isMet !== null)
  const missed = judged.filter(line => line.isMet === false)
  const notRun = lines.flatMap(line => ('notRun' in line ? [line] : []))
  const texts = [`**${judged.length - missed.length} of ${judged.length} goals are met in this run.**`]
  if (missed.length > 0) texts.push('', 'Not met:', '', ...missed.map(missedText))
  if (notRun.length > 0)
    texts.push('', `Not run, so not judged: ${notRun.map(each => `${each.case} ${each.peer}`).join(', ')}.`)
  return texts.join('\n')
}

function missedText(line: MeasuredLine): string {
  return `- ${line.case}, ${line.what}, against ${line.peer}: ratio ${line.ratio ?? '–'}, goal ${goalText(line)}`
}

function chapterOf(name: CaseName, lines: readonly Line[], plots: ReadonlySet<string>): string {
  const own = lines.filter(line => line.case === name)
  if (own.length === 0) return ''
  const { title, text, plot } = CHAPTERS[name]
  const parts = [`## ${name}: ${title}`, text, tableOf(own)]
  if (plot !== undefined && plots.has(plot.name)) parts.push(`![${plot.alt}](benchmarks/${plot.name}.svg)`)
  return parts.join('\n\n')
}

function tableOf(all: readonly Line[]): string {
  const shares = all.filter(isShares)
  if (shares.length > 0) return markdownTable(SHARES_HEAD, shares.map(sharesCellsOf))
  const lines = all.flatMap(line => (isShares(line) ? [] : [line]))
  // The case is in the heading.
  const head = HEAD.slice(1)
  const rows = lines.map(line => cellsOf(line).slice(1))
  const kept = head.map((_, column) => column < 2 || rows.some(row => row[column] !== ''))
  const keptOf = (cells: readonly string[]) => cells.filter((_, column) => kept[column])
  return markdownTable(keptOf(head), rows.map(keptOf))
}

function markdownTable(head: readonly string[], rows: readonly string[][]): string {
  const rowText = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [rowText(head), rowText(head.map(() => '---')), ...rows.map(rowText)].join('\n')
}

function grouped(value: number): string {
  return value.toLocaleString('en-US')
}
