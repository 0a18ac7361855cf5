/** A process that opens the store of a memory in Postgres once it is told to, and says `open`, or what is wrong. */
import { once } from 'node:events'
import { openerByUrl, postgresConfig } from '../../src/stores/postgres/postgres.js'

const [url, memory] = process.argv.slice(2) as [string, string]
const opener = openerByUrl(url, url, { ...postgresConfig({ memory }), ownerWaitMs: 0 })
process.send!('ready')
await once(process, 'message')
try {
  const store = await opener.open(true)
  process.send!('open')
  await store.close()
} catch (error) {
  process.send!(String(error))
}
process.disconnect()
