// A proxy between a client and a broker, whose connections a test can cut.

import net from 'node:net'

/** See the head of this file. */
export class TcpProxy implements AsyncDisposable {
  /** Connections made, ever. */
  connectionCount = 0
  private readonly server: net.Server
  private readonly sockets = new Set<net.Socket>()
  private refusing = false

  static async start (address: string): Promise<TcpProxy> {
    const [host, port] = address.split(':') as [string, string]
    const proxy = new TcpProxy(host, Number(port))
    await new Promise<void>((resolve, reject) => {
      proxy.server.once('error', reject)
      proxy.server.listen(0, '127.0.0.1', resolve)
    })
    return proxy
  }

  private constructor (host: string, port: number) {
    this.server = net.createServer(client => {
      if (this.refusing) {
        client.destroy()
        return
      }
      this.connectionCount++
      const broker = net.connect(port, host)
      for (const [from, to] of [[client, broker], [broker, client]] as const) {
        this.sockets.add(from)
        from.on('error', () => {})
        from.on('close', () => { this.sockets.delete(from); to.destroy() })
        from.pipe(to)
      }
    })
  }

  get address (): string { return `127.0.0.1:${(this.server.address() as net.AddressInfo).port}` }

  /** Ends all connections; new ones are made as before. */
  cut (): void {
    for (const socket of this.sockets) socket.destroy()
  }

  /** Ends all connections and takes none until `mend`. */
  block (): void {
    this.refusing = true
    this.cut()
  }

  mend (): void {
    this.refusing = false
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    this.cut()
    await new Promise(resolve => this.server.close(resolve))
  }
}
