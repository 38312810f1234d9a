// A connection through a proxy, with both of its ways.

import { connect, type Socket } from 'node:net'
import type { SeededRandom } from '../seeded-random.js'
import type { LinkRule } from './link-rule.js'
import { ProxiedWay } from './proxied-way.js'

export class ProxiedConnection {
  readonly source: number | null
  private readonly client: Socket
  private readonly target: Socket
  private readonly there: ProxiedWay
  private readonly back: ProxiedWay

  constructor (client: Socket, source: number | null, targetPort: number, random: SeededRandom) {
    this.source = source
    this.client = client
    this.target = connect({ port: targetPort, host: '127.0.0.1' })
    this.there = new ProxiedWay(client, this.target, random)
    this.back = new ProxiedWay(this.target, client, random)
  }

  follow (rule: LinkRule): void {
    if (rule.there === 'refuse') return this.reset()
    this.there.follow(rule.there === 'hold', rule)
    this.back.follow(rule.back === 'hold', rule)
  }

  reset (): void {
    for (const socket of [this.client, this.target]) {
      socket.resetAndDestroy()
      socket.destroy()
    }
  }
}
