/**
 * `prove flip`: bits are flipped, each alone, in logs and in the folder of a memory. Whatever is read then must be right,
 * or an error names the damage; and what is refused, `verify` must name as well.
 */
import { type Command, Option } from 'commander'
import { type FolderFlips, flipFolder } from './flip-folder.js'
import { type Flip, flipLogs, type LogFlips } from './flip-log.js'
import { numberOption } from './options.js'
import { type PartResult, tellPart } from './part.js'

export interface FlipOptions {
  /** Every which bit is flipped; 1 for all. Of the logs those apart that stand in bytes that only fill. */
  logStride: number
  fillingStride: number
  folderStride: number
  longStride: number
  of?: 'logs' | 'folder' | undefined
  only?: Flip | undefined
}

/** A sample that takes a few seconds. The strides are primes, so that all places of a byte and of a sector are met. */
export const QUICK: FlipOptions = { logStride: 7, fillingStride: 397, folderStride: 97, longStride: 9973 }

/** Every bit; of a long log of LevelDB a sample, since each takes an open of LevelDB. */
export const ALL: FlipOptions = { logStride: 1, fillingStride: 1, folderStride: 1, longStride: 997 }

export async function proveFlip({
  logStride,
  fillingStride,
  folderStride,
  longStride,
  of,
  only,
}: FlipOptions): Promise<PartResult> {
  const started = performance.now()
  const counts: Record<string, number> = {}
  const failures: PartResult['failures'] = []
  const takesLogs = only === undefined ? of !== 'folder' : !only.reference.startsWith('folder')
  const takesFolder = only === undefined ? of !== 'logs' : only.reference.startsWith('folder')
  if (takesLogs) addLogs(await flipLogs({ stride: logStride, fillingStride, only }), counts, failures)
  if (takesFolder) addFolder(await flipFolder({ stride: folderStride, longStride, only }), counts, failures)
  return { name: 'flip', seed: 0, counts, failures, ms: performance.now() - started }
}

export function registerFlip(program: Command): void {
  program
    .command('flip')
    .description('flip every bit of some logs and of a small folder, each alone, and read everything')
    .option('--quick', 'a sample of the bits')
    .addOption(new Option('--of <what>', 'only these').choices(['logs', 'folder']))
    .option('--only <bit>', 'only this one, as a failure names it', flipOption)
    .option('--json', 'print the result as JSON')
    .action(async ({ quick, of, only, json }: Flags) => {
      const strides = quick ? QUICK : ALL
      tellPart(await proveFlip({ ...strides, of, only }), json)
    })
}

interface Flags {
  quick?: boolean
  of?: 'logs' | 'folder'
  only?: Flip
  json?: boolean
}

function addLogs(
  { counts, failures: found }: LogFlips,
  into: Record<string, number>,
  failures: PartResult['failures'],
) {
  into['bits of logs'] = counts.bits
  into['bits of logs refused'] = counts.refused
  into['bits of logs that change nothing'] = counts.harmless
  into['bits of logs told as a torn tail'] = counts.toldAsTorn
  into['logs opened by the engine'] = counts.opened
  into['bits of logs named by verify'] = counts.named
  for (const flip of found) failures.push(failureOf(flip))
}

function addFolder(
  { counts, failures: found }: FolderFlips,
  into: Record<string, number>,
  failures: PartResult['failures'],
) {
  into['bits of folders'] = counts.bits
  into['bits of folders refused at open'] = counts['refused at open']
  into['bits of folders refused at a read'] = counts['refused at a read']
  into['bits of folders that change nothing'] = counts.harmless
  into['bits of folders named by verify'] = counts.named
  into['bits of a table that hide an entry unseen'] = counts.unseen
  into['bits of a table that hide an entry from get, and a scan tells'] = counts.hidden
  into['bits of a table at which LevelDB ends the process'] = counts.ended
  for (const flip of found) failures.push(failureOf(flip))
}

function failureOf({ reference, file, bit, what }: Flip & { what: string }): PartResult['failures'][number] {
  return {
    what: `bit ${bit & 7} of byte ${bit >>> 3} of ${file} (${reference}): ${what}`,
    replay: `npm run prove -- flip --only "${reference}:${file}:${bit}"`,
  }
}

function flipOption(text: string): Flip {
  const [reference = '', file = '', bit = ''] = text.split(':')
  return { reference, file, bit: numberOption(bit) }
}
