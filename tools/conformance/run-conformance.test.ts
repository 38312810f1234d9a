import { createServer, type Server, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { API_KEY, FRAME_FLAG } from '@sluice/protocol'
import { startTestBroker } from '@sluice/broker/testing'
import { Stage } from './dialogue.js'
import { DIALOGUES, runConformance } from './run-conformance.js'
import { startFaultyProxy } from './faulty-proxy.test.double.js'

/** A server that is none; answers each connection by `onConnection`. */
async function fakeServer (t: Test, onConnection: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server: Server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    onConnection(socket)
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as { port: number }).port
}

t.test('Conformance: the broker keeps every promise of PROTOCOL.md', async t => {
  await using broker = await startTestBroker()
  const { failed, results } = await runConformance({ host: '127.0.0.1', port: broker.port })
  for (const { name, passed, text } of results) t.ok(passed, `${name}${text === '' ? '' : `: ${text}`}`)
  t.equal(failed, 0)
  t.equal(results.length, DIALOGUES.length)
})

t.test('Conformance: leaves no topics and no groups behind', async t => {
  await using broker = await startTestBroker()
  const { results } = await runConformance({ host: '127.0.0.1', port: broker.port, only: 'commit' })
  t.ok(results.length >= 3 && results.length < DIALOGUES.length)
  const stage = new Stage('127.0.0.1', broker.port, 10_000)
  const connection = await stage.greeted()
  t.strictSame((await connection.tell('listTopics', {})).topics, [])
  t.strictSame((await connection.tell('listGroups', {})).groups, [])
  await stage.leave()
})

t.test('Conformance: names are unique', async t => {
  t.equal(new Set(DIALOGUES.map(({ name }) => name)).size, DIALOGUES.length)
})

t.test('Conformance: a server that closes at once fails every dialogue, and says why', async t => {
  const port = await fakeServer(t, socket => socket.destroy())
  const seen: string[] = []
  const { passed, results } = await runConformance({
    host: '127.0.0.1', port, only: 'hello', timeoutMs: 1_000, report: ({ name }) => seen.push(name),
  })
  t.equal(passed, 0)
  t.strictSame(seen, results.map(({ name }) => name))
  for (const { text } of results) t.match(text, /closed|ECONN/)
})

t.test('Conformance: a server that says nothing is waited for no longer than allowed', async t => {
  const port = await fakeServer(t, () => {})
  const { results } = await runConformance({ host: '127.0.0.1', port, only: 'hello: names', timeoutMs: 50 })
  t.match(results[0]!.text, /nothing within 50 ms/)
})

t.test('Conformance: a server that answers with other bytes is told from one that speaks Sluice', async t => {
  const port = await fakeServer(t, socket => { socket.write('HTTP/1.1 400 Bad Request\r\n\r\n') })
  const { passed, results } = await runConformance({ host: '127.0.0.1', port, only: 'hello: names', timeoutMs: 1_000 })
  t.equal(passed, 0)
  t.match(results[0]!.text, /expected frames|RESPONSE/)
})

t.test('Conformance: where nothing listens, it says so instead of failing every dialogue', async t => {
  const port = await fakeServer(t, () => {})
  await t.rejects(runConformance({ host: '127.0.0.1', port: port === 1 ? 2 : 1, timeoutMs: 1_000 }), /cannot connect/)
})

t.test('Conformance: a run can be ended', async t => {
  const port = await fakeServer(t, () => {})
  await t.rejects(runConformance({ host: '127.0.0.1', port, signal: AbortSignal.abort() }), { name: 'AbortError' })
})

// A broker that keeps all promises proves little about who judges it: here it is made to break them, one at a time.
const FAULTS: readonly [fault: string, dialogue: string, proxy: Parameters<typeof startFaultyProxy>[1]][] = [
  ['responses in another order', 'a hundred requests at once', { reorder: true }],
  ['errors that look like success', 'an unknown api is answered', { change: frame => { frame[7]! &= ~FRAME_FLAG.error } }],
  ['another correlation', 'responses repeat api', { change: frame => { frame.writeUInt32BE(5, 8) } }],
  ['a flipped bit in a record', 'comes back byte for byte', {
    change: frame => {
      if (frame.readUInt16BE(4) === API_KEY.fetch) frame[frame.length - 1]! ^= 1
    },
  }],
  ['a lost response', 'a hundred that wait at once', { drop: frame => frame.readUInt16BE(4) === API_KEY.fetch }],
  ['a response cut short', 'a topic is created', { change: frame => { frame.writeUInt32BE(frame.readUInt32BE(12) - 1, 12) } }],
  ['no close after a malformed frame', 'a size of 0 ends the connection', { keepOpen: true }],
]

for (const [fault, dialogue, proxy] of FAULTS) {
  t.test(`Conformance: finds ${fault}`, async t => {
    await using broker = await startTestBroker()
    const { port, close } = await startFaultyProxy(broker.port, proxy)
    t.teardown(close)
    const { results } = await runConformance({ host: '127.0.0.1', port, only: dialogue, timeoutMs: 1_500 })
    t.equal(results.length, 1)
    t.equal(results[0]!.passed, false, results[0]!.text)
  })
}
