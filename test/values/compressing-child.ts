/** Writes compressed values, says so when all of them are acknowledged, and waits to be killed. */
import { AgentMemory } from '../../src/index.js'
import { OPTIONS, stepOf } from './compressed-values.js'

const [folder, count] = process.argv.slice(2)
const memory = await AgentMemory.open(folder!)
const map = memory.map('m', OPTIONS)
for (let number = 0; number < Number(count); number++) {
  await map.set(`k${number}`, stepOf(number))
  if (number === Number(count) / 2) await memory.checkpoint()
}
console.log('written')
setInterval(() => {}, 1000)
