// Stands between clients and a broker that advertises this address, and cuts their connections.
//
//   clients ──▶ proxy (its port stays) ──▶ broker (comes and goes)
//                  ✗ cut: both sides are reset

import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { once } from 'node:events'
import type { SeededRandom } from '../seeded-random.js'

export class CuttingProxy implements AsyncDisposable {
  private readonly server: Server
  private readonly pairs = new Set<readonly [Socket, Socket]>()

  private constructor (server: Server) {
    this.server = server
  }

  /** Listens on a free port and connects each client to `brokerPort`. */
  static async start (brokerPort: number): Promise<CuttingProxy> {
    const server = createServer()
    const proxy = new CuttingProxy(server)
    server.on('connection', client => proxy.onClient(client, brokerPort))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return proxy
  }

  get port (): number { return (this.server.address() as AddressInfo).port }

  /** HOST:PORT. */
  get address (): string { return `127.0.0.1:${this.port}` }

  /** Cuts each connection with this chance; the answer is how many. */
  cut (share: number, random: SeededRandom): number {
    const chosen = [...this.pairs].filter(() => random.chance(share))
    for (const [client, broker] of chosen) {
      client.resetAndDestroy()
      broker.resetAndDestroy()
    }
    return chosen.length
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    for (const pair of this.pairs) for (const socket of pair) socket.destroy()
    this.server.close()
    await once(this.server, 'close')
  }

  private onClient (client: Socket, brokerPort: number): void {
    const broker = connect({ port: brokerPort, host: '127.0.0.1' })
    const pair = [client, broker] as const
    this.pairs.add(pair)
    for (const [from, to] of [[client, broker], [broker, client]] as const) {
      from.setNoDelay(true)
      from.on('error', () => {})
      from.on('close', () => {
        to.destroy()
        this.pairs.delete(pair)
      })
      from.pipe(to)
    }
  }
}
