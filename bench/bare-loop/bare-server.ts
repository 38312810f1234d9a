// The server of the bare loop: what Node and the machine can do when nothing but the work itself is done.
//
//   produce port   batches in ─▶ CRC-32C ─▶ CommitLoop ─▶ ack: f64, bytes of this connection that are durable
//   tail port      every durable batch of every producer, in order
//   fetch port     f64 position, f64 size in ─▶ that many bytes of the backlog file out
//
// It has no offsets, index, deduplication, topics or replication, and trusts its peers to be of the same build.

import { open, type FileHandle } from 'node:fs/promises'
import net, { type AddressInfo, type OnReadOpts, type Server, type Socket } from 'node:net'
import { BatchIntake, intakeOnRead, type BatchRun } from './batch-intake.js'
import { CommitLoop, type BareForm, type RunSource } from './commit-loop.js'

/** Bytes of an ack. */
export const ACK_BYTES = 8
/** Bytes of a fetch request. */
export const FETCH_BYTES = 16

/** Where the server listens, on 127.0.0.1. */
export interface BarePorts { readonly produce: number, readonly tail: number, readonly fetch: number }

/** What the server is given. */
export interface BareServerOptions {
  /** File of the produced batches, made anew. */
  readonly path: string
  readonly form: BareForm
  /** File of batches that fetches read; null where there are none. */
  readonly backlogPath: string | null
  /** Size of the file where it is written ahead, in bytes: a batch or more. */
  readonly prewrittenBytes: number
}

export class BareServer {
  readonly ports: BarePorts
  private readonly servers: Server[]
  private readonly loop: CommitLoop
  private readonly backlog: FileHandle | null

  private constructor (ports: BarePorts, servers: Server[], loop: CommitLoop, backlog: FileHandle | null) {
    this.ports = ports
    this.servers = servers
    this.loop = loop
    this.backlog = backlog
  }

  static async start (options: BareServerOptions): Promise<BareServer> {
    const loop = new CommitLoop(options.path, options.form, options.prewrittenBytes)
    const backlog = options.backlogPath === null ? null : await open(options.backlogPath, 'r')
    const tails = new Set<Socket>()
    const produce = await listen(socket => serveProducer(socket, loop, tails), true)
    const tail = await listen(socket => serveTail(socket, tails))
    const fetch = await listen(socket => { if (backlog !== null) serveFetch(socket, backlog) })
    const ports = { produce: portOf(produce), tail: portOf(tail), fetch: portOf(fetch) }
    return new BareServer(ports, [produce, tail, fetch], loop, backlog)
  }

  /** Stops listening and closes the files. Its connections have to be closed already. */
  async stop (): Promise<void> {
    await Promise.all(this.servers.map(server => new Promise(resolve => server.close(resolve))))
    this.loop.close()
    await this.backlog?.close()
  }
}

function listen (onSocket: (socket: Socket) => void, pauseOnConnect = false): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = net.createServer({ noDelay: true, pauseOnConnect }, onSocket)
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve(server))
  })
}

function portOf (server: Server): number {
  return (server.address() as AddressInfo).port
}

function serveProducer (accepted: Socket, loop: CommitLoop, tails: ReadonlySet<Socket>): void {
  let durableBytes = 0
  let ackDue = false
  const source: RunSource = {
    onDurable (run: BatchRun) {
      durableBytes += run.bytes.length
      ackDue = true
      for (const tail of tails) tail.write(Buffer.from(run.bytes))
      intake.release(run)
    },
    onCommitted () {
      if (!ackDue) return
      ackDue = false
      const ack = Buffer.allocUnsafe(ACK_BYTES)
      ack.writeDoubleBE(durableBytes)
      socket.write(ack)
    },
  }
  const intake = new BatchIntake(run => loop.add(run, source))
  const socket = readInto(accepted, intakeOnRead(intake))
  socket.on('end', () => socket.end())
  socket.on('error', () => socket.destroy())
}

/**
 * The accepted connection, reading into memory of ours. `onread` halves the processor time of reading, but Node gives
 * it to outgoing connections only: so the handle is passed on to a socket that has it.
 */
function readInto (accepted: Socket, onread: OnReadOpts): Socket {
  const holder = accepted as unknown as { _handle: unknown }
  const handle = holder._handle
  holder._handle = null
  const socket = new net.Socket({ handle, onread } as unknown as net.SocketConstructorOpts)
  // The server counts the one that it accepted.
  socket.on('close', () => accepted.destroy())
  socket.resume()
  return socket
}

function serveTail (socket: Socket, tails: Set<Socket>): void {
  tails.add(socket)
  socket.resume()
  socket.on('error', () => socket.destroy())
  socket.on('close', () => tails.delete(socket))
}

/** Answers requests one after the other: the next is read while the last is on its way out. */
function serveFetch (socket: Socket, backlog: FileHandle): void {
  const requests: Buffer[] = []
  let serving = false
  const buffers: Buffer[] = []
  /** A failed read is a rejection that nobody handles: the process ends, as it should. */
  const serve = async (): Promise<void> => {
    serving = true
    for (let request = requests.shift(); request !== undefined && !socket.destroyed; request = requests.shift()) {
      const size = request.readDoubleBE(8)
      const pooled = buffers.pop()
      const buffer = pooled !== undefined && pooled.length >= size ? pooled : Buffer.allocUnsafeSlow(size)
      const { bytesRead } = await backlog.read(buffer, 0, size, request.readDoubleBE(0))
      if (bytesRead !== size) throw new Error(`the backlog ends after ${bytesRead} of ${size} bytes`)
      const full = !socket.write(buffer.subarray(0, size), () => { if (buffers.length < 4) buffers.push(buffer) })
      if (full) await new Promise<void>(resolve => { socket.once('drain', resolve).once('close', resolve) })
    }
    serving = false
  }
  let torn: Buffer = Buffer.alloc(0)
  socket.on('data', chunk => {
    const bytes = torn.length === 0 ? chunk : Buffer.concat([torn, chunk])
    let start = 0
    for (; start + FETCH_BYTES <= bytes.length; start += FETCH_BYTES) {
      requests.push(bytes.subarray(start, start + FETCH_BYTES))
    }
    torn = bytes.subarray(start)
    if (!serving) serve()
  })
  socket.on('end', () => socket.end())
  socket.on('error', () => socket.destroy())
}
