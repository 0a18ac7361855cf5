/** A Postgres of which each commit waits for a synchronous standby. Both run on this machine. */
import { spawnSync } from 'node:child_process'
import { chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Server } from './server.js'
import { makeCluster, postgresUser, runCluster } from './server-peers.js'

/** Starts both in an empty folder; the address is that of the one that is written to. */
export async function startWithStandby(folder: string): Promise<Server> {
  const user = postgresUser()
  const data = makeCluster(folder)
  const standbyFolder = join(folder, 'standby')
  mkdirSync(standbyFolder)
  if (user !== undefined) chownSync(standbyFolder, user.uid, user.gid)
  // A cluster that was made and never started is a copy to start from: no program is needed for it.
  const standbyData = join(standbyFolder, 'data')
  const copied = spawnSync('cp', ['-a', data, standbyData], { ...user, encoding: 'utf8' })
  if (copied.status !== 0) throw new Error(`the cluster was not copied: ${copied.error?.message ?? copied.stderr}`)
  writeFileSync(join(standbyData, 'standby.signal'), '')

  const primary = await runCluster(folder, data, { settings: ['synchronous_standby_names=*'] })
  try {
    const settings = [`primary_conninfo=host=${folder} user=postgres application_name=standby`]
    const standby = await runCluster(standbyFolder, standbyData, { settings })
    return {
      address: primary.address,
      async stop() {
        // It ends once the standby has everything.
        await primary.stop()
        await standby.stop()
      },
    }
  } catch (error) {
    await primary.stop()
    throw error
  }
}
