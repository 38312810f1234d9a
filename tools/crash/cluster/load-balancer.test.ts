// A cluster behind a TCP load balancer that is all that its clients can reach: whichever broker a connection ends at,
// it takes everything.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, string } from '@sluice/client'
import t from 'tap'
import { LocalCluster } from '../../cluster/local-cluster.js'
import { freePort, isEtcdInstalled } from '../../etcd/etcd-process.js'
import { HaproxyProcess } from './haproxy-process.js'

t.setTimeout(180_000)

const TEXT = { key: string(), value: string() }
const RECORDS = 500

const skip = !await isEtcdInstalled()
  ? 'etcd is not installed'
  : await HaproxyProcess.isInstalled() ? false : 'haproxy is not installed: apt-get install -y haproxy'

t.test('Load balancer: topics, groups and queues work through it, and go on when a broker dies', { skip }, async t => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-balanced-'))
  const port = await freePort()
  const options = { advertise: `127.0.0.1:${port}`, 'advertise-peers': '127.0.0.1:0' }
  const cluster = await LocalCluster.start({ folder, brokers: 3, options })
  const balancer = await HaproxyProcess.start(folder, port, cluster.addresses)
  const client = connect({ brokers: [`127.0.0.1:${port}`], requestTimeoutMs: 60_000 })
  t.teardown(async () => {
    await client.close()
    await balancer.stop()
    await cluster.stop()
    await rm(folder, { recursive: true, force: true })
  })

  await client.admin.createTopic('orders', { partitions: 6, replicas: 3 })
  await client.admin.createQueue('jobs', { partitions: 6, replicas: 3 })
  const producer = client.topic('orders', TEXT).producer()
  const jobs = client.queue('jobs', TEXT)
  const sent = Array.from({ length: 2 * RECORDS }, (_, index) => String(index))
  const send = async (values: readonly string[]): Promise<void> => {
    await Promise.all(values.map(value => producer.send({ key: value, value })))
    await Promise.all(values.map(value => jobs.send({ key: value, value })))
  }
  await send(sent.slice(0, RECORDS))
  await cluster.broker(2).kill()
  await send(sent.slice(RECORDS))

  const read = new Set<string>()
  const consumer = client.topic('orders', TEXT).consumer({ group: 'readers', from: 'earliest' })
  for await (const { value } of consumer) {
    read.add(value!)
    if (read.size === sent.length) break
  }
  await consumer.close()
  t.equal(read.size, sent.length, 'a group reads all records')

  const done = new Set<string>()
  await jobs.work(async ({ value }) => {
    done.add(value!)
    if (done.size === sent.length) void jobs.close()
  }, { concurrency: 8 })
  t.equal(done.size, sent.length, 'workers get all jobs')
  await producer.close()
})
