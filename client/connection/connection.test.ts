import net from 'node:net'
import t from 'tap'
import { ERROR, FRAME_FLAG, messageCodec, API_KEY, writeFrameHeader } from '@sluice/protocol'
import { resolveOptions, type ClientOptions } from '../client-options.js'
import { ScriptedBroker } from '../testing/scripted-broker.js'
import { connect } from '../client.js'
import { BrokerError } from '../broker-error.js'
import { Connection } from './connection.js'

const LISTENER = { onGoAway: () => {}, onClose: () => {} }
const HELD = new Promise(() => {})

function addressOf (broker: { address: string }): { host: string, port: number } {
  const [host, port] = broker.address.split(':') as [string, string]
  return { host, port: Number(port) }
}

function settings (options: Partial<ClientOptions> = {}) {
  return resolveOptions({ brokers: ['127.0.0.1:1'], connectTimeoutMs: 2_000, ...options })
}

/** A server that answers each connection with what `talk` does. */
async function rawServer (talk: (socket: net.Socket) => void): Promise<{ address: string, close (): Promise<void> }> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    talk(socket)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as net.AddressInfo
  return {
    address: `127.0.0.1:${port}`,
    close: () => new Promise(resolve => {
      for (const socket of sockets) socket.destroy()
      server.close(() => resolve())
    }),
  }
}

t.test('Connection: answers find their requests (answers out of order)', async t => {
  await using broker = await ScriptedBroker.start()
  broker.addTopic('a')
  let release = (): void => {}
  const held = new Promise<void>(resolve => { release = resolve })
  broker.intercept = request => request.api === 'metadata' && request.message.topics[0] === 'a'
    ? { action: 'hold', until: held }
    : undefined
  const connection = await Connection.open(addressOf(broker), settings(), LISTENER)
  const slow = connection.request('metadata', { topics: ['a'] }, { timeoutMs: 5_000 })
  const fast = await connection.request('metadata', { topics: [] }, { timeoutMs: 5_000 })
  t.equal(fast.message.topics.length, 0)
  release()
  t.equal((await slow).message.topics[0]!.name, 'a')
  connection.close(null)
})

t.test('Connection: a request settles once with what is known (hang-up before the answer)', async t => {
  await using broker = await ScriptedBroker.start()
  const outcomes: { error: BrokerError | null }[] = []
  const connection = await Connection.open(addressOf(broker), settings(), {
    onGoAway: () => {}, onClose: (_connection, error) => outcomes.push({ error }),
  })
  broker.intercept = () => ({ action: 'ignore' })
  const reading = connection.request('listTopics', {}, { timeoutMs: 5_000 })
  const writing = connection.request('deleteTopics', { timeoutMs: 1, names: ['x'] }, { timeoutMs: 5_000 })
  const results = Promise.allSettled([reading, writing])
  setTimeout(() => broker.dropConnections(), 20)
  const [read, written] = await results as PromiseRejectedResult[]
  t.match(read!.reason, { code: 'CONNECTION', retriable: true, maybeApplied: false })
  t.match(written!.reason, { code: 'CONNECTION', retriable: true, maybeApplied: true }, 'a change may have been made')
  t.equal(outcomes.length, 1)
  t.equal(connection.usable, false)
  await t.rejects(connection.request('listTopics', {}, { timeoutMs: 10 }), { code: 'CONNECTION' })
})

t.test('Connection: a request times out alone (the others are answered)', async t => {
  await using broker = await ScriptedBroker.start()
  broker.intercept = request => request.api === 'listGroups' ? { action: 'ignore' } : undefined
  const connection = await Connection.open(addressOf(broker), settings(), LISTENER)
  const late = t.rejects(connection.request('listGroups', {}, { timeoutMs: 60 }), { code: 'TIMEOUT', retriable: true })
  for (let round = 0; round < 5; round++) {
    await connection.request('metadata', { topics: [] }, { timeoutMs: 5_000 })
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  await late
  t.ok(connection.usable)
  connection.close(null)
})

t.test('Connection: a broker that says nothing at all is given up long before the deadline (it stands still)', async t => {
  await using broker = await ScriptedBroker.start()
  broker.hello = { maxInFlightRequests: 4 }
  const ended: (BrokerError | null)[] = []
  const connection = await Connection.open(addressOf(broker), settings(), {
    onGoAway: () => {}, onClose: (_connection, error) => ended.push(error),
  })
  broker.intercept = () => ({ action: 'ignore' })
  const requests = Array.from({ length: 5 }, () => connection.request('listGroups', {}, { timeoutMs: 3_600_000 }))
  for (const outcome of await Promise.allSettled(requests)) {
    t.match(outcome, { reason: { code: 'CONNECTION', retriable: true, message: /gone silent/ } })
  }
  t.equal(ended.length, 1)
  t.ok(connection.wentSilent)
  t.equal(broker.requests('metadata').length, 1, 'it was asked for a sign of life, with its limit of requests used up')
})

t.test('Connection: a broker that gives a sign of life may take its time (its disk hangs)', async t => {
  await using broker = await ScriptedBroker.start()
  let release = (): void => {}
  const held = new Promise<void>(resolve => { release = resolve })
  broker.intercept = request => request.api === 'listOffsets' ? { action: 'hold', until: held } : undefined
  const connection = await Connection.open(addressOf(broker), settings(), LISTENER)
  const slow = connection.request('listOffsets', { timeoutMs: 1, partitions: [] }, { timeoutMs: 3_600_000 })
  while (broker.requests('metadata').length < 3) await new Promise(resolve => setTimeout(resolve, 50))
  release()
  t.same((await slow).message.partitions, [])
  t.notOk(connection.wentSilent)
  connection.close(null)
})

t.test('Connection: limits of the broker are kept (requests in flight)', async t => {
  await using broker = await ScriptedBroker.start()
  broker.hello = { maxInFlightRequests: 4 }
  let release = (): void => {}
  const held = new Promise<void>(resolve => { release = resolve })
  broker.intercept = request => request.api === 'listOffsets' ? { action: 'hold', until: held } : undefined
  const connection = await Connection.open(addressOf(broker), settings(), LISTENER)
  const all = Array.from({ length: 10 }, () =>
    connection.request('listOffsets', { timeoutMs: 1, partitions: [] }, { timeoutMs: 5_000 }))
  await new Promise(resolve => setTimeout(resolve, 50))
  t.equal(broker.requests('listOffsets').length, 3, 'the rest waits here; one more is for a sign of life')
  t.equal(connection.unsettledCount, 10)
  release()
  await Promise.all(all)
  t.equal(broker.requests('listOffsets').length, 10)
  connection.close(null)
})

t.test('Connection: what waited and was never written has not happened (hang-up)', async t => {
  await using broker = await ScriptedBroker.start()
  broker.hello = { maxInFlightRequests: 1 }
  broker.intercept = request => request.api === 'hello' ? undefined : { action: 'hold', until: HELD }
  const connection = await Connection.open(addressOf(broker), settings(), LISTENER)
  const outcomes = Promise.allSettled([1, 2].map(() =>
    connection.request('deleteTopics', { timeoutMs: 1, names: ['x'] }, { timeoutMs: 5_000 })))
  setTimeout(() => connection.close(null), 20)
  const [first, second] = await outcomes as PromiseRejectedResult[]
  t.equal(first!.reason.maybeApplied, true)
  t.equal(second!.reason.maybeApplied, false)
})

t.test('Connection: a request above the frame limit is refused here', async t => {
  await using broker = await ScriptedBroker.start()
  broker.hello = { maxFrameBytes: 1_000 }
  const connection = await Connection.open(addressOf(broker), settings(), LISTENER)
  await t.rejects(connection.request('produce', { acks: 'quorum', timeoutMs: 1, batches: [] },
    { timeoutMs: 100, payload: [Buffer.alloc(2_000)] }), { code: 'INVALID', message: /frame limit of 1000 bytes/ })
  t.ok(connection.usable)
  connection.close(null)
})

t.test('Connection: garbage ends it with an error that says so', async t => {
  const strangers: [string, Buffer][] = [
    ['http', Buffer.from('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n')],
    ['a size of 4 GiB', Buffer.from('ffffffff00010100000000010000000000000000', 'hex')],
    ['a size of 0', Buffer.alloc(64)],
    ['a request where a response belongs', frame(API_KEY.hello, 0, 1, Buffer.alloc(0))],
    ['a body that is no hello', frame(API_KEY.hello, FRAME_FLAG.response, 1, Buffer.from('ff00ff', 'hex'))],
  ]
  for (const [name, bytes] of strangers) {
    const server = await rawServer(socket => socket.write(bytes))
    await t.rejects(Connection.open(addressOf(server), settings(), LISTENER), { name: 'BrokerError', code: 'PROTOCOL' }, name)
    await server.close()
  }
})

t.test('Connection: an error without a request is the last word', async t => {
  const server = await rawServer(socket => {
    const head = { api: API_KEY.hello, version: 1, flags: FRAME_FLAG.response | FRAME_FLAG.error, correlation: 0 }
    const body = { code: ERROR.MALFORMED_FRAME, message: 'bad size; mend the client', retryAfterMs: 0 }
    socket.end(messageCodec('error', 'response').encodeFrame(head, body))
  })
  await t.rejects(Connection.open(addressOf(server), settings(), LISTENER),
    { code: 'PROTOCOL', serverCode: ERROR.MALFORMED_FRAME, message: /bad size; mend the client/ })
  await server.close()
})

t.test('Connection: nobody answers (connect timeout)', async t => {
  const server = await rawServer(() => {})
  await t.rejects(Connection.open(addressOf(server), settings({ connectTimeoutMs: 100 }), LISTENER),
    { code: 'TIMEOUT', retriable: true })
  await server.close()
})

t.test('Connection: the broker offers no matching authentication', async t => {
  await using broker = await ScriptedBroker.start()
  const auth = { mechanism: 'plain', username: 'u', password: 'p' } as const
  const open = (options: Partial<ClientOptions>): Promise<Connection> =>
    Connection.open(addressOf(broker), settings(options), LISTENER)
  await t.rejects(open({ auth }), { code: 'AUTHENTICATION', retriable: false, message: /has no authentication/ })
  broker.hello = { mechanisms: ['scram-sha-256', 'token'] }
  await t.rejects(open({ auth }), { code: 'AUTHENTICATION', message: /offers scram-sha-256, token.*not plain/ })
  await t.rejects(open({}), { code: 'AUTHENTICATION', message: /asks for authentication.*pass the auth option/ })
})

t.test('Connection: authentication errors end a call at once', async t => {
  await using broker = await ScriptedBroker.start()
  broker.hello = { mechanisms: ['token'] }
  await using client = connect({ brokers: [broker.address] })
  await t.rejects(client.ready(), { code: 'AUTHENTICATION' })
  t.equal(broker.connectionCount, 1, 'tried once')
})

t.test('Connection: a version that is not shared', async t => {
  await using broker = await ScriptedBroker.start()
  broker.hello = { apis: [{ api: API_KEY.produce, name: 'produce', minVersion: 7, maxVersion: 9 }] }
  await t.rejects(Connection.open(addressOf(broker), settings(), LISTENER),
    { code: 'UNSUPPORTED', message: /produce in versions 7 to 9.*upgrade/ })
})

t.test('Connection: TLS to a server that has none', async t => {
  await using broker = await ScriptedBroker.start()
  await t.rejects(Connection.open(addressOf(broker), settings({ tls: true }), LISTENER), { name: 'BrokerError' })
})

function frame (api: number, flags: number, correlation: number, body: Buffer): Buffer {
  const head = Buffer.alloc(16)
  writeFrameHeader(head, { api, version: 1, flags, correlation }, body.length, 0)
  return Buffer.concat([head, body])
}
