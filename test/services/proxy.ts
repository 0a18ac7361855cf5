/** A TCP proxy in front of a server: it passes everything on until it is told to cut, to hold back or to refuse. */

import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/** Says, of what a client sends, whether the answer to it is cut off: the server has it, and the client hears nothing. */
export type CutsAnswer = (sent: Buffer) => boolean

export class TcpProxy {
  readonly #server: Server
  readonly #port: number
  readonly #pairs = new Set<{ client: Socket; upstream: Socket }>()
  /** Asked of each piece that a client sends. */
  cutsAnswer: CutsAnswer = () => false
  /** Answers that were cut off. */
  cuts = 0
  #isHeld = false
  #held: (() => void)[] = []

  /** A proxy on a port of its own; it ends after `t`. */
  static async start(t: { after(fn: () => Promise<void>): void }, port: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(port)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    t.after(async () => {
      proxy.#server.close()
      proxy.breakAll()
    })
    return proxy
  }

  private constructor(port: number) {
    this.#port = port
    this.#server = createServer(client => this.#accept(client))
  }

  /** The same URL through the proxy. */
  through(url: string): string {
    const through = new URL(url)
    through.port = String((this.#server.address() as { port: number }).port)
    return through.href
  }

  /** From now on nothing passes, either way, and connections stay as they are: as when packets are dropped. */
  hold(): void {
    this.#isHeld = true
  }

  /** What was held back goes on. */
  release(): void {
    this.#isHeld = false
    const held = this.#held
    this.#held = []
    for (const pass of held) pass()
  }

  /** Breaks all connections; new ones are taken. */
  breakAll(): void {
    for (const { client, upstream } of this.#pairs) {
      client.destroy()
      upstream.destroy()
    }
    this.#held = []
  }

  #accept(client: Socket): void {
    const upstream = connect(this.#port, '127.0.0.1')
    const pair = { client, upstream }
    this.#pairs.add(pair)
    let isCut = false
    const end = () => {
      this.#pairs.delete(pair)
      client.destroy()
      upstream.destroy()
    }
    // Where nothing passes, an end does not either.
    for (const socket of [client, upstream]) {
      socket
        .setNoDelay(true)
        .on('error', () => {})
        .on('close', () => this.#pass(end))
    }
    client.on('data', (sent: Buffer) => {
      isCut ||= this.cutsAnswer(sent)
      this.#pass(() => upstream.write(sent))
    })
    upstream.on('data', (answer: Buffer) => {
      if (!isCut) return this.#pass(() => client.write(answer))
      this.cuts += 1
      end()
    })
  }

  #pass(pass: () => void): void {
    if (this.#isHeld) this.#held.push(pass)
    else pass()
  }
}
