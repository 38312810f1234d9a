// A worker that has all that it can take, and asks for nothing, while its queue gets another leader: it keeps what it
// is working on, so that nobody else works on it too.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, string } from '@sluice/client'
import t from 'tap'
import { LocalCluster } from '../../cluster/local-cluster.js'
import { isEtcdInstalled } from '../../etcd/etcd-process.js'

// Processes start and stop, which takes its time on a busy machine.
t.setTimeout(180_000)

const skip = await isEtcdInstalled() ? false : 'etcd is not installed'

const TEXT = { key: string(), value: string() }
const GRACE_MS = 3_000

t.test('Cluster: a worker keeps what it works on over its leader\'s end, while others wait', { skip }, async t => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-cluster-'))
  const cluster = await LocalCluster.start({ folder, brokers: 3, options: { 'log-level': 'info' } })
  t.teardown(async () => {
    await cluster.stop()
    await rm(folder, { recursive: true, force: true })
  })
  const clients = [1, 2, 3].map(() => connect({ brokers: cluster.addresses }))
  t.teardown(() => Promise.all(clients.map(client => client.close({ drainTimeoutMs: 0 }))))
  const [admin, busy, idle] = clients as [typeof clients[0], typeof clients[0], typeof clients[0]]
  await admin.admin.createQueue('jobs', {
    partitions: 1,
    replicas: 3,
    config: { order: 'key', 'session.timeout.ms': '2000', 'disconnect.grace.ms': String(GRACE_MS), 'visibility.ms': '2000' },
  } as Parameters<typeof admin.admin.createQueue>[1])
  const send = async (value: string): Promise<unknown> => admin.queue('jobs', TEXT).send({ key: 'k', value })
  const leader = async (): Promise<number> => (await admin.admin.describeTopic('jobs')).partitions[0]!.leader

  const seen: string[] = []
  let finish = (): void => {}
  let isLost = false
  busy.on('leaseLost', () => { isLost = true })
  const begun = new Promise<void>(resolve => {
    void busy.queue('jobs', TEXT).work(async ({ value }) => {
      seen.push(`busy ${value}`)
      if (value !== 'one') return
      resolve()
      await new Promise<void>(resolve => { finish = resolve })
    }, { concurrency: 1, prefetch: 1 }).catch(() => {})
  })
  await send('one')
  await begun
  await send('two')
  void idle.queue('jobs', TEXT).work(async ({ value }) => { seen.push(`idle ${value}`) }, { concurrency: 4 }).catch(() => {})

  const first = await leader()
  await cluster.broker(first).kill()
  const isOver = Date.now() + 3 * GRACE_MS
  while (Date.now() < isOver) await new Promise(resolve => setTimeout(resolve, 100))
  t.not(await leader(), first)
  t.same(seen, ['busy one'], 'nobody else has got the record, or the next one of its key')
  t.notOk(isLost, 'it is kept by the new leader')
  finish()
  while (seen.length < 2) await new Promise(resolve => setTimeout(resolve, 20))
  t.match(seen, ['busy one', /two$/], 'each once')
})
