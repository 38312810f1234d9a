// Connections under clients that send too much, read too little, stop half way or vanish: what is read, what is held,
// and that nobody waits for ever.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { ERROR, FRAME_FLAG, FrameReader, messageCodec, writeFrameHeader, type Frame } from '@sluice/protocol'
import t from 'tap'
import { silentLogger } from '../runtime/logger.js'
import { Call } from './call.js'
import { LIMITS } from '../limits.js'
import type { Connection } from './connection.js'
import { TcpServer, type TcpServerOptions } from './tcp-server.js'

const MiB = 1024 * 1024

interface Received { correlation: number, connection: Connection, answer: (sizeBytes: number) => void }

interface Bench extends AsyncDisposable {
  server: TcpServer
  port: number
  /** Requests begun and not answered by the test yet. */
  received: Received[]
  /** The time that the server sees, in milliseconds. */
  nowMs: number
}

async function listen (options: Partial<TcpServerOptions> = {}): Promise<Bench> {
  const received: Received[] = []
  const server = new TcpServer({
    maxConnections: 100,
    maxFrameBytes: 16 * MiB,
    maxInFlightRequests: 100,
    maxInFlightBytes: 32 * MiB,
    maxHeldBytes: 64 * MiB,
    maxUnsentBytes: 64 * MiB,
    endOfTurn: run => { setImmediate(run) },
    monotonicMs: () => bench.nowMs,
    logger: silentLogger,
    onFrame: (connection, frame) => { received.push(begin(connection, frame)) },
    ...options,
  })
  const port = await server.listen('127.0.0.1', 0)
  const bench: Bench = {
    server,
    port,
    received,
    nowMs: 0,
    async [Symbol.asyncDispose] () {
      server.stopAccepting('', 0)
      for (const connection of server.connections) connection.destroy()
    },
  }
  return bench
}

function begin (connection: Connection, frame: Frame): Received {
  const call = new Call(connection, frame, messageCodec('hello', 'response'), connection.beginRequest(frame))
  return {
    correlation: frame.correlation,
    connection,
    answer: sizeBytes => {
      const response = Buffer.alloc(16 + sizeBytes)
      const { correlation } = call
      writeFrameHeader(response, { api: 1, version: 1, flags: FRAME_FLAG.response, correlation }, 0, sizeBytes)
      connection.finish(call, [response])
    },
  }
}

interface Client { socket: Socket, answers: number[], errors: { code: number, message: string }[] }

async function dial (port: number, options: { reads?: boolean } = {}): Promise<Client> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
  const client: Client = { socket, answers: [], errors: [] }
  const reader = new FrameReader(({ bytes, flags, correlation, bodyStart, bodyEnd }) => {
    if ((flags & FRAME_FLAG.error) === 0) client.answers.push(correlation)
    else client.errors.push(messageCodec('error', 'response').decode(bytes, bodyStart, bodyEnd))
  }, { maxFrameBytes: 2 ** 31 })
  socket.on('error', () => {})
  if (options.reads !== false) socket.on('data', chunk => reader.push(chunk))
  await once(socket, 'connect')
  return client
}

function request (correlation: number, sizeBytes = 0, flags = 0): Buffer {
  const frame = Buffer.alloc(16 + sizeBytes)
  writeFrameHeader(frame, { api: 1, version: 1, flags, correlation }, 0, sizeBytes)
  return frame
}

async function until (condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 1))
}

/** Long enough for bytes on the loopback to arrive, were anybody to read them. */
const quiet = (): Promise<unknown> => new Promise(resolve => setTimeout(resolve, 50))

t.test('Connection: no request above the limit is begun, even of those that came in one chunk; then all are, in order', async t => {
  await using bench = await listen({ maxInFlightRequests: 2 })
  const client = await dial(bench.port)
  client.socket.write(Buffer.concat([1, 2, 3, 4, 5].map(correlation => request(correlation, 100))))
  await until(() => bench.received.length === 2)
  await quiet()
  t.equal(bench.received.length, 2)
  for (let index = 0; index < 5; index++) {
    await until(() => bench.received.length > index)
    bench.received[index]!.answer(0)
  }
  await until(() => client.answers.length === 5)
  t.same(client.answers, [1, 2, 3, 4, 5])
  client.socket.destroy()
})

t.test('Connection: a flood of small requests has its share of each turn of the event loop, not all of one', async t => {
  const inTurn = new Map<number, number>()
  let turn = 0
  let isOver = false
  const countTurns = (): void => {
    turn++
    if (!isOver) setImmediate(countTurns)
  }
  countTurns()
  let begun = 0
  await using bench = await listen({
    maxInFlightRequests: 1e6,
    onFrame: (connection, frame) => {
      begun++
      inTurn.set(turn, (inTurn.get(turn) ?? 0) + 1)
      begin(connection, frame).answer(0)
    },
  })
  const client = await dial(bench.port)
  const all = Buffer.concat(Array.from({ length: 50_000 }, (_, index) => request(index)))
  client.socket.write(all)
  await until(() => begun === 50_000 && client.answers.length === 50_000)
  isOver = true
  client.socket.destroy()
  t.equal(Math.max(...inTurn.values()), LIMITS.requestsPerTurn)
  t.same(client.answers, Array.from({ length: 50_000 }, (_, index) => index), 'all are answered, in order')
})

t.test('Connection: a frame larger than the limit of bytes in flight is taken, alone', async t => {
  await using bench = await listen({ maxInFlightBytes: MiB })
  const client = await dial(bench.port)
  client.socket.write(Buffer.concat([request(1, 3 * MiB), request(2, 10)]))
  await until(() => bench.received.length === 1)
  await quiet()
  t.equal(bench.received.length, 1)
  bench.received[0]!.answer(0)
  await until(() => bench.received.length === 2)
  bench.received[1]!.answer(0)
  client.socket.destroy()
})

t.test('Connection: clients in the middle of large frames do not wait for each other for ever', async t => {
  await using bench = await listen({ maxHeldBytes: MiB })
  const clients = await Promise.all(Array.from({ length: 6 }, () => dial(bench.port)))
  const large = request(1, 8 * MiB)
  for (const client of clients) client.socket.write(large.subarray(0, 2 * MiB))
  await quiet()
  for (const client of clients) client.socket.write(large.subarray(2 * MiB))
  await until(() => bench.received.length === 6)
  await until(() => bench.server.held.usedBytes === 0)
  t.equal(bench.server.held.waitingCount, 0)
  for (const client of clients) client.socket.destroy()
})

t.test('Connection: one that stops in the middle of a large frame is closed, and makes room for the next', async t => {
  await using bench = await listen({ maxHeldBytes: MiB })
  const stuck = await dial(bench.port)
  stuck.socket.write(request(1, 8 * MiB).subarray(0, 3 * MiB))
  await until(() => bench.server.held.exhausted)
  const next = await dial(bench.port)
  next.socket.write(request(2, 8 * MiB))
  await until(() => bench.server.held.waitingCount === 1)
  await quiet()
  t.same(bench.received, [])
  for (const connection of bench.server.connections) {
    connection.hello = { clientName: '', clientVersion: '', apis: [], features: 0, mechanism: null }
  }
  bench.nowMs = 61_000
  bench.server.tick(bench.nowMs)
  await until(() => bench.received.length === 1)
  t.equal(bench.received[0]!.correlation, 2)
  t.match(stuck.errors, [{ code: ERROR.MALFORMED_FRAME, message: /not completed within/ }])
  for (const { socket } of [stuck, next]) socket.destroy()
})

t.test('Connection: a client that does not read is read no further, and what it made the broker hold is given back', async t => {
  await using bench = await listen({ maxInFlightRequests: 4 })
  const client = await dial(bench.port, { reads: false })
  client.socket.write(Buffer.concat(Array.from({ length: 60 }, (_, index) => request(index + 1))))
  let answered = 0
  await until(() => {
    for (; answered < bench.received.length; answered++) bench.received[answered]!.answer(MiB)
    return bench.server.unsent.usedBytes > 4 * MiB
  })
  await quiet()
  for (; answered < bench.received.length; answered++) bench.received[answered]!.answer(MiB)
  await quiet()
  t.ok(bench.received.length < 60, `${bench.received.length} requests were begun`)
  t.ok(bench.server.unsent.usedBytes <= 9 * MiB, `${bench.server.unsent.usedBytes} bytes wait`)
  client.socket.destroy()
  await until(() => bench.server.connections.size === 0)
  t.equal(bench.server.unsent.usedBytes, 0)
})

t.test('Connection: responses that wait for one before them count too', async t => {
  await using bench = await listen()
  const client = await dial(bench.port)
  client.socket.write(Buffer.concat(Array.from({ length: 50 }, (_, index) => request(index + 1))))
  await until(() => bench.received.length === 50)
  for (const call of bench.received.slice(1)) call.answer(MiB)
  client.socket.write(request(51))
  await quiet()
  t.equal(bench.received.length, 50, 'not begun')
  t.same(client.answers, [])
  bench.received[0]!.answer(0)
  await until(() => bench.received.length === 51)
  bench.received[50]!.answer(0)
  await until(() => client.answers.length === 51)
  t.same(client.answers, Array.from({ length: 51 }, (_, index) => index + 1))
  client.socket.destroy()
})

t.test('Connection: a client that has closed its side gets all its answers, however slowly it reads', async t => {
  await using bench = await listen()
  const client = await dial(bench.port, { reads: false })
  client.socket.end(Buffer.concat([request(1), request(2)]))
  await until(() => bench.received.length === 2)
  for (const call of bench.received) call.answer(12 * MiB)
  await new Promise(resolve => setTimeout(resolve, 2_500))
  let bytes = 0
  client.socket.on('data', chunk => { bytes += chunk.length })
  await once(client.socket, 'end')
  t.equal(bytes, 2 * (16 + 12 * MiB))
  await until(() => bench.server.connections.size === 0)
  t.equal(bench.server.unsent.usedBytes, 0)
})

t.test('Connection: a half-closed one without progress ends, whatever it still waits for', async t => {
  await using bench = await listen()
  const client = await dial(bench.port)
  client.socket.end(request(1, 0, FRAME_FLAG.unordered))
  await until(() => bench.received.length === 1)
  await quiet()
  bench.nowMs = 29_000
  bench.server.tick(bench.nowMs)
  t.equal(bench.server.connections.size, 1)
  bench.nowMs = 31_000
  bench.server.tick(bench.nowMs)
  await until(() => bench.server.connections.size === 0)
  bench.received[0]!.answer(10)
  t.equal(bench.server.unsent.usedBytes, 0, 'an answer to nobody counts nothing')
})

t.test('Connection: nonsense is answered with the cause; answers that come later disturb nothing', async t => {
  await using bench = await listen()
  const client = await dial(bench.port)
  client.socket.write(request(1, 0, FRAME_FLAG.unordered))
  await until(() => bench.received.length === 1)
  const tooLarge = request(7)
  tooLarge.writeUInt32BE(2 ** 32 - 1, 0)
  client.socket.write(tooLarge)
  await until(() => client.errors.length === 1)
  t.match(client.errors, [{ code: ERROR.FRAME_TOO_LARGE }])
  const ended = client.socket.readableEnded || once(client.socket, 'end')
  let failed = false
  client.socket.on('error', () => { failed = true })
  bench.received[0]!.answer(100)
  await ended
  await quiet()
  t.equal(failed, false, 'no reset')
  t.same(client.answers, [])
  client.socket.end()
  await until(() => bench.server.connections.size === 0)
})

t.test('Connection: while memory for responses is short, a client that takes nothing is cut off, others stay', async t => {
  await using bench = await listen({ maxUnsentBytes: 16 * MiB })
  const [stalled, other] = [await dial(bench.port, { reads: false }), await dial(bench.port)]
  stalled.socket.write(request(1))
  other.socket.write(request(2))
  await until(() => bench.received.length === 2)
  bench.received.find(call => call.correlation === 1)!.answer(32 * MiB)
  await until(() => bench.server.unsent.exhausted)
  bench.nowMs = 25_000
  for (const connection of bench.server.connections) {
    connection.hello = { clientName: '', clientVersion: '', apis: [], features: 0, mechanism: null }
  }
  bench.server.tick(bench.nowMs)
  t.equal(bench.server.connections.size, 2)
  bench.nowMs = 31_000
  bench.server.tick(bench.nowMs)
  await until(() => bench.server.connections.size === 1)
  t.equal(bench.server.unsent.usedBytes, 0)
  bench.received.find(call => call.correlation === 2)!.answer(0)
  await until(() => other.answers.length === 1)
  other.socket.destroy()
})

t.test('TcpServer: a connection too many is told so, though it has sent something already', async t => {
  await using bench = await listen({ maxConnections: 1 })
  const first = await dial(bench.port)
  await until(() => bench.server.connections.size === 1)
  const second = await dial(bench.port)
  second.socket.write(request(1, MiB))
  await once(second.socket, 'end')
  t.match(second.errors, [{ code: ERROR.BUSY, message: /max-connections/ }])
  second.socket.destroy()
  first.socket.destroy()
  await until(() => bench.server.connections.size === 0)
  const third = await dial(bench.port)
  await until(() => bench.server.connections.size === 1)
  third.socket.destroy()
})
