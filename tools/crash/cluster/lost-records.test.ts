// A forced recovery that loses records, with real processes: who has read them is told once, and misses nothing of what
// is written in their place; nor does who comes back later. Failovers tell nobody anything.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, string, type Client } from '@sluice/client'
import t, { type Test } from 'tap'
import { LocalCluster } from '../../cluster/local-cluster.js'
import { isEtcdInstalled } from '../../etcd/etcd-process.js'

// Processes start and stop, which takes its time on a busy machine.
t.setTimeout(180_000)

const skip = await isEtcdInstalled() ? false : 'etcd is not installed'

const TEXT = { key: string(), value: string() }

interface Reader {
  readonly seen: string[]
  readonly resets: { readonly from: number, readonly to: number }[]
  stop (): Promise<void>
}

async function until (condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 20))
}

function clientOf (t: Test, cluster: LocalCluster): Client {
  const client = connect({ brokers: cluster.addresses })
  t.teardown(() => client.close({ drainTimeoutMs: 0 }))
  return client
}

/** Reads as a member of a group, from where that stands. */
function readerOf (t: Test, cluster: LocalCluster, group: string): Reader {
  const client = clientOf(t, cluster)
  const seen: string[] = []
  const resets: { from: number, to: number }[] = []
  client.on('offsetReset', reset => resets.push(reset))
  const consumer = client.topic('orders', TEXT).consumer({ group, commitIntervalMs: 50 })
  const reading = (async () => { for await (const { value } of consumer) seen.push(value!) })()
  return {
    seen,
    resets,
    async stop () {
      await consumer.close()
      await reading
    },
  }
}

t.test('Cluster: who has read what a forced recovery lost is told once; failovers tell nobody', { skip }, async t => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-cluster-'))
  const cluster = await LocalCluster.start({ folder, brokers: 3, options: { 'log-level': 'info' } })
  t.teardown(async () => {
    await cluster.stop()
    await rm(folder, { recursive: true, force: true })
  })
  const client = clientOf(t, cluster)
  await client.admin.createTopic('orders', { partitions: 1, replicas: 3 })
  const leader = async (): Promise<number> => (await client.admin.describeTopic('orders')).partitions[0]!.leader
  const producer = client.topic('orders', TEXT).producer()
  const send = async (prefix: string, count: number): Promise<string[]> => {
    const values = Array.from({ length: count }, (_, index) => `${prefix}${index}`)
    for (const value of values) await producer.send({ key: 'k', value })
    return values
  }
  const running = readerOf(t, cluster, 'running')
  const leaving = readerOf(t, cluster, 'leaving')
  const common = await send('a', 5)
  for (const prefix of ['b', 'c']) {
    const first = await leader()
    await cluster.broker(first).kill()
    common.push(...await send(prefix, 3))
    await cluster.startBroker(first)
  }
  await until(() => running.seen.length === common.length && leaving.seen.length === common.length)
  t.same([running.resets, leaving.resets], [[], []], 'nothing was lost')

  const last = await leader()
  const survivor = [1, 2, 3].find(id => id !== last)!
  while ((await client.admin.clusterStatus()).underReplicated > 0) await new Promise(resolve => setTimeout(resolve, 50))
  await cluster.broker(survivor).kill()
  const lost = await send('lost', 10)
  await until(() => running.seen.length === common.length + 10 && leaving.seen.length === common.length + 10)
  await leaving.stop()
  for (const id of [1, 2, 3]) if (id !== survivor) await cluster.broker(id).kill()
  await cluster.startBroker(survivor)
  for (;;) {
    try {
      await client.admin.forceRecover('orders', 0, [survivor])
      break
    } catch {
      await new Promise(resolve => setTimeout(resolve, 100))
    }
  }
  const others = await send('other', 30)
  await until(() => running.seen.length >= common.length + 10 + 30)
  t.same(running.seen, [...common, ...lost, ...others])
  t.equal(running.resets.length, 1, 'told once')
  const [{ from, to }] = running.resets as [{ from: number, to: number }]
  // What was behind may lack more than what came while it was away.
  t.ok(from - to >= lost.length, `${from} to ${to}`)
  await running.stop()

  const back = readerOf(t, cluster, 'leaving')
  await until(() => back.seen.length >= 30)
  // What it had committed is lost as well, so that it begins where it stood before.
  await until(() => back.seen.at(-1) === others.at(-1))
  t.same(back.seen.slice(-others.length), others, 'nothing of what is in their place is missed')
  t.ok(back.resets.length <= 1)
  await back.stop()
  const again = readerOf(t, cluster, 'leaving')
  const more = await send('more', 3)
  await until(() => again.seen.length >= 3)
  t.same(again.seen, more)
  t.same(again.resets, [], 'told once')
  await again.stop()
  await producer.close()
})
