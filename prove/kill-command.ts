/** The command of `prove kill`. */
import { SingleBar } from 'cli-progress'
import type { Command } from 'commander'
import { type KillResult, proveKill } from './kill.js'
import { numberOption } from './options.js'
import { type PartResult, tellPart } from './part.js'
import { nameOver, STORES, type StoreName, storeFlag, storeOption } from './stores.js'

interface Flags {
  lives: number
  seed: number
  store: StoreName
  json?: boolean
}

export function registerKill(program: Command): void {
  program
    .command('kill')
    .description('kill real processes while they write to a real folder, and check what the next one finds')
    .option('--lives <count>', 'processes to kill', numberOption, 200)
    .option('--seed <number>', 'of the workload and of the moments', numberOption, 1)
    .addOption(storeOption(STORES))
    .option('--json', 'print the result as JSON')
    .action(async ({ lives, seed, store, json }: Flags) => {
      const bar = json || !process.stderr.isTTY ? undefined : new SingleBar({ stream: process.stderr })
      bar?.start(lives, 0)
      const { failures, ms, notRun, ...counts } = await proveKill({
        lives,
        seed,
        store,
        onProgress: done => bar?.update(done),
      })
      bar?.stop()
      const replay = `npm run prove -- kill --seed ${seed} --lives ${lives}${storeFlag(store)}`
      const told = failures.map(({ life, broken }) => ({ what: `life ${life}: ${broken}`, replay }))
      const name = nameOver('kill', store)
      tellPart({ name, seed, counts: inWords(counts), failures: told, ...(notRun && { notRun }), ms }, json)
    })
}

function inWords(counts: Omit<KillResult, 'failures' | 'notRun' | 'ms'>): PartResult['counts'] {
  return {
    lives: counts.lives,
    'of them killed while they wrote': counts.killedWriting,
    'killed while they opened': counts.killedOpening,
    'accepted calls': counts.accepted,
    acknowledged: counts.acknowledged,
    'never answered': counts.unanswered,
    'of them kept': counts.unansweredKept,
    'acknowledged as write-back and lost within its bound': counts.lostWriteBack,
  }
}
