/** Where a side keeps its data: a folder of its own, or a server that runs for the time of a case. */
import { makeFolder, removeFolder } from './folders.js'
import { progress } from './progress.js'
import type { Server } from './server.js'
import { start } from './server-peers.js'
import { isServer, openSide, PEERS, type PeerName, sideTrouble } from './sides.js'

export interface Place {
  /** What `openSide` is given. */
  address: string
  leave(): Promise<void>
}

/** `through` is put before a server's command, such as strace with its arguments. */
export async function placeFor(side: string, through?: readonly string[]): Promise<Place> {
  const folder = makeFolder()
  let server: Server | undefined
  try {
    if (isServer(side)) server = await start(side, folder, through)
  } catch (error) {
    removeFolder(folder)
    throw error
  }
  return {
    address: server?.address ?? folder,
    async leave() {
      await server?.stop()
      removeFolder(folder)
    },
  }
}

let tried: Promise<ReadonlyMap<PeerName, string>> | undefined

/** The peers that cannot be measured here, and why. Each has put one entry: one that breaks must not take a case along. */
export function troubles(): Promise<ReadonlyMap<PeerName, string>> {
  tried ??= tryAll()
  return tried
}

async function tryAll(): Promise<ReadonlyMap<PeerName, string>> {
  const found = new Map<PeerName, string>()
  for (const peer of PEERS) {
    progress(`trying ${peer}`)
    const trouble = sideTrouble(peer) ?? (await tryOne(peer))
    if (trouble !== undefined) found.set(peer, trouble)
  }
  return found
}

async function tryOne(peer: PeerName): Promise<string | undefined> {
  try {
    const place = await placeFor(peer)
    try {
      const side = await openSide(peer, place.address)
      await side.put('key', 'value')
      await side.close()
    } finally {
      await place.leave()
    }
    return undefined
  } catch (error) {
    return (error as Error).message.split('\n')[0]
  }
}

/** The servers of a case: each is started once, so that it is as warm in the last run as a server is that always runs. */
export class Servers {
  readonly #places = new Map<string, Promise<Place>>()

  /** A place for one run: a new folder, or the server that this case uses all the time. */
  async placeFor(side: string): Promise<Place> {
    if (!isServer(side)) return placeFor(side)
    let place = this.#places.get(side)
    if (place === undefined) {
      place = placeFor(side)
      this.#places.set(side, place)
    }
    return { address: (await place).address, leave: async () => {} }
  }

  async stop(): Promise<void> {
    for (const place of this.#places.values()) await place.then(({ leave }) => leave()).catch(() => {})
    this.#places.clear()
  }
}
