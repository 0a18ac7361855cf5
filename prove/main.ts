/** `npm run prove -- PART | PROFILE`: looks for whatever breaks a promise. Exit code 1 if something does. */
import { Command } from 'commander'
import { registerFaults } from './faults-command.js'
import { registerFlip } from './flip.js'
import { registerFuzz } from './fuzz.js'
import { registerKill } from './kill-command.js'
import { registerStores } from './matrix-command.js'
import { registerMutants } from './mutants.js'
import { registerOutage } from './outage-command.js'
import { registerPeers } from './peers-command.js'
import { registerPower } from './power.js'
import { registerProfiles } from './profile.js'
import { registerRealPower } from './real-power.js'

process.on('unhandledRejection', error => {
  console.error('A promise was rejected and nobody was told:', error)
  process.exit(1)
})

const program = new Command('prove')
program.description('Attacks a memory in many ways and checks that every promise it made is kept.')
registerPower(program)
registerRealPower(program)
registerKill(program)
registerFaults(program)
registerFlip(program)
registerFuzz(program)
registerMutants(program)
registerOutage(program)
registerPeers(program)
registerStores(program)
registerProfiles(program)

await program.parseAsync()
