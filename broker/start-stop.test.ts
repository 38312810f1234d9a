// How a broker starts and stops when something is in the way: what it leaves open, and how it leaves the folder.

import { access, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Broker } from './broker.js'
import { parseConfig } from './config.js'
import { silentLogger } from './runtime/logger.js'
import { TestClient } from './test-client.js'
import { startTestBroker } from './testing.js'

const exists = (path: string): Promise<boolean> => access(path).then(() => true, () => false)

async function temporaryFolder (t: { teardown (run: () => Promise<void>): void }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

const start = (data: string, port: number): Promise<Broker> =>
  Broker.start(parseConfig({ flags: { data, listen: `127.0.0.1:${port}` } }), { logger: silentLogger })

t.test('Broker: a start on a taken port leaves the folder as clean as it was, and unlocked', async t => {
  const data = await temporaryFolder(t)
  await using first = await startTestBroker({ data })
  using client = await TestClient.connect(first.port)
  const topicId = await client.createTopic('orders', 3)
  await client.produce(topicId, 1, ['a'])
  await first.stop()
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as { port: number }
  await t.rejects(start(data, port), { name: 'ListenError', message: /port is taken.*--listen/ })
  t.same([await exists(`${data}/stopped.json`), await exists(`${data}/logs/clean`)], [true, true])
  taken.close()
  await using again = await startTestBroker({ data })
  using other = await TestClient.connect(again.port)
  t.same((await other.fetch(topicId, 1, 0)).records, [{ offset: 0, value: 'a' }])
})

t.test('Broker: a start that fails after a crash does not make the folder look clean', async t => {
  const data = await temporaryFolder(t)
  const first = await startTestBroker({ data })
  await first.stop()
  await rm(`${data}/stopped.json`)
  await rm(`${data}/logs/clean`)
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  await t.rejects(start(data, (taken.address() as { port: number }).port), { name: 'ListenError' })
  t.equal(await exists(`${data}/stopped.json`), false)
  taken.close()
})

t.test('Broker: a folder in use or of somebody else is refused and left alone', async t => {
  const data = await temporaryFolder(t)
  await using first = await startTestBroker({ data })
  await t.rejects(start(data, 0), /another|in use|lock/i)
  using client = await TestClient.connect(first.port)
  t.same((await client.call('listTopics', {})).topics, [])
  const foreign = await temporaryFolder(t)
  await writeFile(`${foreign}/letter.txt`, 'dear reader')
  await t.rejects(start(foreign, 0), /not a Sluice data folder/)
})

t.test('Broker: producers are known after a clean stop, whatever the flush policy, without reading the logs', async t => {
  await using broker = await startTestBroker()
  let client = await TestClient.connect(broker.port)
  const producer = { producerId: 5, producerEpoch: 0, baseSequence: 0 }
  const ids: string[] = []
  for (const flush of ['sync', 'interval', 'none']) {
    const topicId = await client.createTopic(flush, 1, { flush })
    ids.push(topicId)
    await client.produce(topicId, 0, ['a'], { producer })
  }
  await broker.restart()
  client = await TestClient.connect(broker.port)
  for (const topicId of ids) {
    t.match(await client.produce(topicId, 0, ['a'], { producer }), { error: 0, baseOffset: 0, duplicate: true })
  }
  client.close()
})

t.test('Broker: stopping twice is stopping once', async t => {
  await using broker = await startTestBroker()
  await Promise.all([broker.stop(), broker.stop()])
  t.equal(await exists(`${broker.data}/stopped.json`), true)
})
