import t from 'tap'
import { ERROR } from '@sluice/protocol'
import { connect } from '../client.js'
import { ScriptedBroker } from '../testing/scripted-broker.js'

t.test('Client: connecting does no I/O before it is needed', async t => {
  await using broker = await ScriptedBroker.start()
  const client = connect({ brokers: [broker.address] })
  client.topic('t').producer()
  await new Promise(resolve => setTimeout(resolve, 20))
  t.equal(broker.connectionCount, 0)
  await client.close()
  t.equal(broker.connectionCount, 0)
})

t.test('Client: the first of several brokers that is up is used', async t => {
  await using broker = await ScriptedBroker.start()
  await using client = connect({ brokers: ['127.0.0.1:1', '127.0.0.1:2', broker.address] })
  await client.ready()
  t.equal(broker.connectionCount, 1)
})

t.test('Client: brokers may come from a function', async () => {
  await using broker = await ScriptedBroker.start()
  await using client = connect({ brokers: async () => [broker.address] })
  await client.ready()
})

t.test('Client: it waits for a broker that comes later', async t => {
  const broker = await ScriptedBroker.start()
  await broker.stop()
  await using client = connect({ brokers: [broker.address], retry: { maxDelayMs: 20 } })
  const ready = client.ready()
  setTimeout(() => { broker.resume().catch(t.threw) }, 60)
  await ready
  await broker[Symbol.asyncDispose]()
})

t.test('Client: it gives up at the deadline, with the reason', async t => {
  await using client = connect({ brokers: ['127.0.0.1:1'], requestTimeoutMs: 200, retry: { maxDelayMs: 20 } })
  await t.rejects(client.ready(), { code: 'CONNECTION', retriable: true, message: /ECONNREFUSED/ })
})

t.test('Client: it gives up at the signal, with its reason', async t => {
  await using client = connect({ brokers: ['127.0.0.1:1'] })
  const reason = new Error('enough')
  const stop = new AbortController()
  setTimeout(() => stop.abort(reason), 50)
  await t.rejects(client.ready({ signal: stop.signal }), reason)
})

t.test('Client: retry false means one attempt', async t => {
  await using broker = await ScriptedBroker.start()
  broker.intercept = request => request.api === 'metadata' ? { action: 'error', code: ERROR.BUSY } : undefined
  await using client = connect({ brokers: [broker.address], retry: false })
  await t.rejects(client.ready(), { code: 'BACKPRESSURE' })
  t.equal(broker.requests('metadata').length, 1)
})

t.test('Client: what may have happened is not done again (answer to a creation lost)', async t => {
  await using broker = await ScriptedBroker.start()
  broker.intercept = request => request.api === 'createTopics' ? { action: 'apply-and-close' } : undefined
  await using client = connect({ brokers: [broker.address], retry: { maxDelayMs: 10 } })
  await t.rejects(client.admin.createTopic('x'), { code: 'CONNECTION', maybeApplied: true })
  t.equal(broker.requests('createTopics').length, 1)
})

t.test('Client: what was surely not done is done again (broker busy)', async t => {
  await using broker = await ScriptedBroker.start()
  let failures = 3
  broker.intercept = request => request.api === 'createTopics' && failures-- > 0
    ? { action: 'error', code: ERROR.BUSY, retryAfterMs: 5 }
    : undefined
  await using client = connect({ brokers: [broker.address] })
  await client.admin.createTopic('x')
  t.equal(broker.requests('createTopics').length, 4)
})

t.test('Client: go away: in flight is answered, new requests go elsewhere', async t => {
  await using broker = await ScriptedBroker.start()
  broker.addTopic('t')
  let release = (): void => {}
  const held = new Promise<void>(resolve => { release = resolve })
  broker.intercept = request => request.api === 'listOffsets' ? { action: 'hold', until: held } : undefined
  await using client = connect({ brokers: [broker.address] })
  const pending = client.admin.listOffsets('t', 'latest')
  while (broker.requests('listOffsets').length === 0) await new Promise(resolve => setTimeout(resolve, 5))
  broker.goAway()
  await new Promise(resolve => setTimeout(resolve, 20))
  await client.ready()
  t.equal(broker.connectionCount, 2, 'a new connection for what is new')
  release()
  t.same(await pending, [{ partition: 0, offset: 0 }])
})

t.test('Client: metadata of one topic is asked for once by many', async t => {
  await using broker = await ScriptedBroker.start()
  broker.addTopic('t', 3)
  await using client = connect({ brokers: [broker.address] })
  await client.ready()
  const topic = client.topic('t')
  const asked = broker.requests('metadata').length
  const producers = Array.from({ length: 20 }, () => topic.producer())
  await Promise.all(producers.map(producer => producer.send({ value: Buffer.from('x') })))
  t.ok(broker.requests('metadata').length - asked <= 2)
})

t.test('Client: one connection per broker however it was found', async t => {
  await using one = await ScriptedBroker.start(1)
  await using two = await ScriptedBroker.start(2)
  one.peers = two.peers = [one, two]
  one.addTopic('t', 2)
  one.leaderOf = (_topic, partition) => partition + 1
  two.topics.set('t', one.topics.get('t')!)
  await using client = connect({ brokers: [one.address] })
  const producer = client.topic('t').producer()
  await producer.send({ value: Buffer.from('a'), partition: 0 })
  await producer.send({ value: Buffer.from('b'), partition: 1 })
  t.equal(one.requests('produce').length, 1)
  t.equal(two.requests('produce').length, 1, 'sent to the leader')
  t.equal(one.connectionCount, 1)
  t.equal(two.connectionCount, 1)
})

t.test('Client: close is idempotent and ends calls that wait', async t => {
  const client = connect({ brokers: ['127.0.0.1:1'] })
  const ready = t.rejects(client.ready(), { code: 'CLOSED' })
  await new Promise(resolve => setTimeout(resolve, 20))
  const closing = client.close()
  t.equal(client.close(), closing)
  await closing
  await ready
  t.throws(() => client.topic('t').producer(), { code: 'CLOSED' })
  await t.rejects(client.admin.listTopics(), { code: 'CLOSED' })
})

t.test('Client: its signal closes it', async t => {
  await using broker = await ScriptedBroker.start()
  broker.addTopic('t')
  broker.intercept = request => request.api === 'produce' ? { action: 'ignore' } : undefined
  const stop = new AbortController()
  const client = connect({ brokers: [broker.address], signal: stop.signal })
  const sent = t.rejects(client.topic('t').producer().send({ value: Buffer.from('x') }), { code: 'CLOSED' })
  await new Promise(resolve => setTimeout(resolve, 50))
  stop.abort()
  await sent
  await client.close()
})

t.test('Client: events tell of connections', async t => {
  await using broker = await ScriptedBroker.start()
  const seen: string[] = []
  const client = connect({ brokers: [broker.address], retry: { maxDelayMs: 10 } })
  client.on('connect', ({ broker }) => seen.push(`connect ${broker}`))
  const off = client.on('disconnect', ({ error }) => seen.push(`disconnect ${error?.code}`))
  client.on('connect', () => { throw new Error('of a listener') })
  await client.ready()
  broker.dropConnections()
  while (seen.length < 2) await new Promise(resolve => setTimeout(resolve, 5))
  t.same(seen, ['connect 1', 'disconnect CONNECTION'])
  off()
  await client.ready()
  await client.close()
  t.same(seen, ['connect 1', 'disconnect CONNECTION', 'connect 1'])
})
