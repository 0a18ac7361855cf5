/** Has 1,000 writes acknowledged, each awaited before the next, and kills itself at the moment that it is told. */
import { setTimeout } from 'node:timers/promises'
import { childTask, killSelf } from './child.js'
import { KEPT_WRITES, type KeptTask, keptKeys, keptValues } from './kept-workload.js'
import { BOUND_MS, openWriteBack } from './write-back-sides.js'

const { side: name, folder, moment } = childTask<KeptTask>()
const side = await openWriteBack(name, folder)
const set = moment === 'write-ahead' ? side.setDurably! : side.set
for (let number = 0; number < KEPT_WRITES; number++) await set(keptKeys[number]!, keptValues[number]!)
if (moment === 'after the bound') await setTimeout(BOUND_MS)
if (moment === 'settled') await side.settle()
await killSelf()
