// The other end of the TCP measurement: takes in what comes at one port and counts it, sends back what comes at the
// other. Its first line of output holds its ports as JSON.

import net, { type AddressInfo, type Server, type Socket } from 'node:net'
import type { TcpPeerCalls } from '../limit/tcp-pair.js'
import { answerCalls } from './calls.js'

const READ_BYTES = 256 * 1024

let received = 0
answerCalls<TcpPeerCalls>({ received: () => received })

/** Counts without keeping: accepted sockets read through the stream, as a server in Node does. */
const sink = await listen(socket => socket.on('data', chunk => { received += chunk.length }))
const echo = await listen(socket => socket.on('data', chunk => socket.write(chunk)))
process.on('SIGTERM', () => process.exit(0))
process.stdout.write(`${JSON.stringify({ sink: portOf(sink), echo: portOf(echo) })}\n`)

function listen (onSocket: (socket: Socket) => void): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = net.createServer({ noDelay: true, highWaterMark: READ_BYTES }, onSocket)
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve(server))
  })
}

function portOf (server: Server): number { return (server.address() as AddressInfo).port }
