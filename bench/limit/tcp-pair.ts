// Loopback TCP between two Node processes: this one sends, the other takes in (tcp-peer-main.ts).

import { once } from 'node:events'
import type { Socket } from 'node:net'
import { closeSocket, connectTo } from '../bare-loop/bare-connection.js'
import { LatencyRecorder, type LatencySummary } from '../measure/latency-recorder.js'
import { Child } from '../process/child.js'

/** What the other process answers. */
export interface TcpPeerCalls { received: { argument: null, result: number } }

/** Ports of the other process: one takes in what comes, the other sends it back. */
export interface TcpPeerPorts { sink: number, echo: number }

const CHUNK_BYTES = 256 * 1024
const PING_BYTES = 64
const WARMUP_MS = 200

export class TcpPair {
  private readonly child: Child<TcpPeerCalls>
  private readonly ports: TcpPeerPorts

  private constructor (child: Child<TcpPeerCalls>, ports: TcpPeerPorts) {
    this.child = child
    this.ports = ports
  }

  static async start (): Promise<TcpPair> {
    const child = new Child<TcpPeerCalls>('tcp-peer-main.js', [])
    return new TcpPair(child, JSON.parse(await child.firstLine()) as TcpPeerPorts)
  }

  stop (): Promise<void> { return this.child.stop() }

  /** Bytes a second that arrive at the other process. */
  async throughput (durationMs: number): Promise<number> {
    const socket = await connectTo(this.ports.sink)
    const sender = new Sender(socket)
    sender.start()
    await new Promise(resolve => setTimeout(resolve, WARMUP_MS))
    const before = await this.child.call('received', null)
    const startMs = performance.now()
    await new Promise(resolve => setTimeout(resolve, durationMs))
    const after = await this.child.call('received', null)
    const seconds = (performance.now() - startMs) / 1000
    sender.stop()
    await closeSocket(socket)
    return (after - before) / seconds
  }

  /** Round trips of a small message, one at a time. */
  async roundTrip (durationMs: number): Promise<LatencySummary> {
    const socket = await connectTo(this.ports.echo)
    const latency = new LatencyRecorder()
    const ping = Buffer.alloc(PING_BYTES, 'p')
    const endMs = performance.now() + WARMUP_MS + durationMs
    for (let nowMs = performance.now(); nowMs < endMs;) {
      socket.write(ping)
      for (let missing = PING_BYTES; missing > 0;) missing -= ((await once(socket, 'data')) as [Buffer])[0].length
      const doneMs = performance.now()
      if (doneMs > endMs - durationMs) latency.record(doneMs - nowMs)
      nowMs = doneMs
    }
    await closeSocket(socket)
    return latency.summary()
  }
}

/** Keeps a socket full. */
class Sender {
  private readonly socket: Socket
  private readonly chunk = Buffer.alloc(CHUNK_BYTES, 'x')
  private running = true

  constructor (socket: Socket) {
    this.socket = socket
  }

  start (): void {
    this.socket.on('drain', this.fill)
    this.fill()
  }

  stop (): void {
    this.running = false
    this.socket.off('drain', this.fill)
  }

  private readonly fill = (): void => {
    while (this.running && this.socket.write(this.chunk)) { /* until it is full */ }
  }
}
