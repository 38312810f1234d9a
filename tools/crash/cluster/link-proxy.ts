// A network that can be broken: stands in front of one address and passes on what comes, as the rules for its source
// say. Sources are told apart by whoever makes the proxy, for each connection anew.
//
//   source 1 ──▶ ┌───────┐ ── there ──▶ target
//   source 2 ──▶ │ proxy │ ◀─ back ──── target
//                └───────┘
//   pass     bytes go on, after a delay where the link is slow
//   hold     bytes wait, and connections stay open: what a router that drops everything looks like from both ends
//   refuse   connections are reset, new ones as well: what a firewall does that says so
//
// Bytes never change their order. A loss of packets is a delay, as TCP makes it one.

import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { once } from 'node:events'
import type { SeededRandom } from '../seeded-random.js'
import { PASSING, type LinkRule } from './link-rule.js'
import { ProxiedConnection } from './proxied-connection.js'

/** Whom a connection comes from; null: somebody that there are no rules for. */
export type SourceOf = (client: Socket) => Promise<number | null> | number | null

export class LinkProxy implements AsyncDisposable {
  private readonly server: Server
  private readonly targetPort: number
  private readonly random: SeededRandom
  private readonly sourceOf: SourceOf
  private readonly rules = new Map<number, LinkRule>()
  private readonly connections = new Set<ProxiedConnection>()

  private constructor (targetPort: number, random: SeededRandom, sourceOf: SourceOf) {
    this.targetPort = targetPort
    this.random = random
    this.sourceOf = sourceOf
    this.server = createServer(client => { this.onClient(client).catch(() => client.destroy()) })
  }

  /** Listens on a free port of 127.0.0.1. @param sourceOf default: all are source 0. */
  static async start (targetPort: number, random: SeededRandom, sourceOf: SourceOf = () => 0): Promise<LinkProxy> {
    const proxy = new LinkProxy(targetPort, random, sourceOf)
    proxy.server.listen(0, '127.0.0.1')
    await once(proxy.server, 'listening')
    return proxy
  }

  get port (): number { return (this.server.address() as AddressInfo).port }

  /** HOST:PORT. */
  get address (): string { return `127.0.0.1:${this.port}` }

  /** From now on this holds for the connections of a source, those that there are included. */
  setRule (source: number, rule: LinkRule): void {
    this.rules.set(source, rule)
    for (const connection of [...this.connections]) if (connection.source === source) connection.follow(rule)
  }

  /** All bytes of a source go on. `isReset`: its connections are reset, as those that waited for too long are. */
  heal (source: number, isReset: boolean): void {
    this.rules.delete(source)
    for (const connection of [...this.connections]) {
      if (connection.source !== source) continue
      if (isReset) connection.reset()
      else connection.follow(PASSING)
    }
  }

  /** Resets each connection with this chance; the answer is how many. */
  cut (share: number): number {
    const chosen = [...this.connections].filter(() => this.random.chance(share))
    for (const connection of chosen) connection.reset()
    return chosen.length
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    for (const connection of [...this.connections]) connection.reset()
    this.server.close()
    await once(this.server, 'close')
  }

  private async onClient (client: Socket): Promise<void> {
    client.on('error', () => {})
    const source = await this.sourceOf(client)
    if (client.destroyed) return
    const connection = new ProxiedConnection(client, source, this.targetPort, this.random)
    this.connections.add(connection)
    client.once('close', () => this.connections.delete(connection))
    connection.follow(source === null ? PASSING : this.rules.get(source) ?? PASSING)
  }
}
