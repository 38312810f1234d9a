// A connection to the produce port of the bare server: batches out, acks in.
//
//   send(batch) ──▶ socket                     ackedBytes <= sentBytes
//   onAck()     ◀── f64, durable bytes

import net, { type Socket } from 'node:net'
import { ACK_BYTES } from './bare-server.js'

export class BareConnection {
  sentBytes = 0
  ackedBytes = 0
  /** Called after each change of `ackedBytes`. */
  onAck: () => void = () => {}
  private readonly socket: Socket
  private torn: Buffer = Buffer.alloc(0)
  private corked = false

  private constructor (socket: Socket) {
    this.socket = socket
    socket.on('data', chunk => this.onData(chunk))
    socket.on('close', hadError => { if (hadError) throw new Error('the bare server is gone') })
  }

  static async open (port: number): Promise<BareConnection> {
    return new BareConnection(await connectTo(port))
  }

  /** Bytes on their way. */
  get unackedBytes (): number { return this.sentBytes - this.ackedBytes }

  /** Sends a batch; those of one turn leave in one write. */
  send (batch: Buffer): void {
    if (!this.corked) {
      this.corked = true
      this.socket.cork()
      process.nextTick(() => {
        this.corked = false
        this.socket.uncork()
      })
    }
    this.sentBytes += batch.length
    this.socket.write(batch)
  }

  close (): Promise<void> {
    return closeSocket(this.socket)
  }

  private onData (chunk: Buffer): void {
    const bytes = this.torn.length === 0 ? chunk : Buffer.concat([this.torn, chunk])
    const whole = bytes.length - bytes.length % ACK_BYTES
    this.torn = bytes.subarray(whole)
    if (whole === 0) return
    this.ackedBytes = bytes.readDoubleBE(whole - ACK_BYTES)
    this.onAck()
  }
}

/** Connects to a port of 127.0.0.1. */
export function connectTo (port: number, options: Partial<net.TcpNetConnectOpts> = {}): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ ...options, port, host: '127.0.0.1', noDelay: true }, () => resolve(socket))
    socket.once('error', reject)
  })
}

/** Ends a connection; what is still coming in is dropped. */
export function closeSocket (socket: Socket): Promise<void> {
  return new Promise(resolve => {
    socket.once('close', () => resolve())
    socket.removeAllListeners('data')
    socket.resume()
    socket.end()
  })
}
