// Starting and stopping: SIGTERM under load, a second broker, a folder that is not one, wrong flags.

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { connect } from '@sluice/client'
import { BrokerProcess, BrokerStartError, chooseLastingPort } from '../crash/broker-process.js'
import { ClientProducerLoad } from '../crash/client-producer-load.js'
import { History } from '../crash/history.js'
import { readPartition, topicIds } from '../crash/read-partition.js'
import { scratchFolder } from '../crash/scratch-folder.js'
import { SeededRandom } from '../crash/seeded-random.js'
import { WirePeer } from '../crash/wire-peer.js'
import { WireProducerLoad } from '../crash/wire-producer-load.js'

// Real processes on a machine that may be busy with others.
t.setTimeout(300_000)

t.test('Shutdown: SIGTERM under load loses nothing, tells clients to go, and exits 0 (three times)', async t => {
  await using folder = await scratchFolder()
  const random = new SeededRandom(3)
  const port = await chooseLastingPort()
  const start = (): Promise<BrokerProcess> => BrokerProcess.start({
    data: `${folder.path}/data`, port, options: { 'shutdown-timeout': '5s' },
  })
  let broker = await start()
  await using client = connect({ brokers: [broker.address], retry: { initialDelayMs: 20, maxDelayMs: 200 } })
  await client.admin.createTopic('orders', { partitions: 2 })
  const history = new History()
  history.addTopic('orders', 2)
  const producers = [
    new ClientProducerLoad(client, history, random.split(), {
      topic: 'orders', keyed: true, idempotent: true, burstMax: 200, pauseMsMax: 2,
    }),
    new WireProducerLoad(history, random.split(), {
      topic: 'orders', partitions: 2, keyed: false, recordsPerBatchMax: 20, codecs: ['none'], port,
    }),
  ]
  for (let round = 0; round < 3; round++) {
    await delay(300)
    const watcher = await WirePeer.connect(port)
    const startedMs = performance.now()
    t.strictSame(await broker.stop(), { code: 0, signal: null })
    t.ok(performance.now() - startedMs < 20_000, 'in bounded time')
    await watcher.closed
    t.equal(watcher.goAways.length, 1, 'clients are told to go')
    t.ok((watcher.goAways[0]?.closesInMs ?? -1) >= 0)
    broker = await start()
  }
  await Promise.all(producers.map(producer => producer.stop()))
  await using peer = await WirePeer.connect(port)
  const topicId = (await topicIds(peer, ['orders'])).get('orders')!
  for (const partition of [0, 1]) {
    await readPartition(peer, { topicId, partition }, 0, {
      onRecord: record => history.onRead('orders', partition, record),
    })
  }
  history.checkComplete()
  t.strictSame(history.violations, [])
  t.ok(history.acknowledged > 0)
  await broker.kill()
})

t.test('Shutdown: a client that reads nothing does not hold up the stop beyond its bound', async t => {
  await using folder = await scratchFolder()
  await using broker = await BrokerProcess.start({ data: `${folder.path}/data`, options: { 'shutdown-timeout': '500ms' } })
  const peer = await WirePeer.connect(broker.port)
  peer.socket.pause()
  peer.request('heartbeatGroup', { group: 'g', memberId: 'nobody', generation: 0, maxWaitMs: 60_000, owned: [] }).catch(() => {})
  t.strictSame(await broker.stop(20_000), { code: 0, signal: null })
  await peer.close()
})

/** How a start fails. @throws where it does not. */
async function failedStart (options: ConstructorParameters<typeof BrokerProcess>[0]): Promise<BrokerStartError> {
  const broker = new BrokerProcess(options)
  try {
    await broker.ready
  } catch (error) {
    if (error instanceof BrokerStartError) return error
    throw error
  }
  await broker.kill()
  throw new Error('the broker started')
}

t.test('Start: a second broker on a folder or a port is refused, and the first one does not notice', async t => {
  await using folder = await scratchFolder()
  const data = `${folder.path}/data`
  await using broker = await BrokerProcess.start({ data })
  const sameFolder = await failedStart({ data })
  t.equal(sameFolder.exit?.code, 1)
  t.match(sameFolder.stderr, /in use|lock/i)
  const samePort = await failedStart({ data: `${folder.path}/other`, port: broker.port })
  t.equal(samePort.exit?.code, 1)
  t.match(samePort.stderr, /port is taken/)
  await using peer = await WirePeer.connect(broker.port)
  await t.resolves(peer.request('listTopics', {}))
})

t.test('Start: a folder of something else, of another broker or of a later version is left alone', async t => {
  await using folder = await scratchFolder()
  const foreign = `${folder.path}/foreign`
  await mkdir(foreign)
  await writeFile(`${foreign}/precious.txt`, 'somebody needs this')
  const refused = await failedStart({ data: foreign })
  t.equal(refused.exit?.code, 1)
  t.equal(await readFile(`${foreign}/precious.txt`, 'utf8'), 'somebody needs this')

  const data = `${folder.path}/data`
  await (await BrokerProcess.start({ data })).stop()
  const otherId = await failedStart({ data, options: { id: '7' } })
  t.equal(otherId.exit?.code, 1)
  t.match(otherId.stderr, /\bid\b/)

  const identity = JSON.parse(await readFile(`${data}/sluice.json`, 'utf8')) as Record<string, unknown>
  const versionField = Object.keys(identity).find(name => /version|format/i.test(name))!
  await writeFile(`${data}/sluice.json`, JSON.stringify({ ...identity, [versionField]: 99 }))
  const later = await failedStart({ data })
  t.equal(later.exit?.code, 1)
  t.match(later.stderr, /99/)
})

t.test('Start: wrong options are named, all at once, and nothing is made', async t => {
  await using folder = await scratchFolder()
  const failure = await failedStart({
    data: `${folder.path}/data`, options: { 'max-connections': 'many', 'tail-cache-bytes': '1' },
  })
  t.equal(failure.exit?.code, 2)
  t.match(failure.stderr, /max-connections/)
  t.match(failure.stderr, /tail-cache-bytes/)
  t.equal((await failedStart({ data: `${folder.path}/data`, options: { 'no-such-option': '1' } })).exit?.code, 2)
  await t.rejects(readFile(`${folder.path}/data/sluice.json`), { code: 'ENOENT' })
})
