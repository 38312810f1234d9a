// A broker whose metadata is in etcd does what one with all of it in its data folder does.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect, string } from '@sluice/client'
import { ConfigError } from '@sluice/broker'
import { rejectsWith, startTestBroker } from '@sluice/broker/testing'
import t from 'tap'
import { runConformance } from '../conformance/run-conformance.js'
import { hasEtcd, startEtcd, testFolder } from './testing/test-etcd.js'

if (await hasEtcd(t)) {
  const etcd = await startEtcd(t)

  t.test('Broker on etcd: keeps every promise of the protocol', async t => {
    await using broker = await startTestBroker({ options: { control: etcd.url, cluster: 'conformance' } })
    const { results } = await runConformance({ host: '127.0.0.1', port: broker.port })
    for (const { name, passed, text } of results) t.ok(passed, `${name}${text === '' ? '' : `: ${text}`}`)
  })

  t.test('Broker on etcd: topics, records and committed offsets outlive a restart', async t => {
    await using broker = await startTestBroker({ options: { control: etcd.url, cluster: 'restart' } })
    const readSome = async (count: number): Promise<string[]> => {
      await using client = connect({ brokers: [broker.address] })
      await using consumer = client.topic('orders', { value: string() }).consumer({ group: 'readers' })
      const values: string[] = []
      for await (const record of consumer) {
        values.push(record.value!)
        if (values.length === count) break
      }
      return values
    }
    {
      await using client = connect({ brokers: [broker.address] })
      await client.admin.createTopic('orders', { partitions: 1 })
      await using producer = client.topic('orders', { value: string() }).producer()
      for (let index = 0; index < 6; index++) await producer.send({ value: String(index) })
    }
    t.same(await readSome(3), ['0', '1', '2'])
    await broker.restart()
    t.same(await readSome(4), ['2', '3', '4', '5'], 'all but the one that was in hand')
  })

  t.test('Broker on etcd: does not start without it', async t => {
    const folder = await testFolder(t)
    const password = join(folder, 'password')
    await writeFile(password, 'wrong\n')
    const control = etcd.url
    const user = { 'control-user': 'nobody' }
    await t.rejects(startTestBroker({ options: { control, ...user, 'control-password-file': '/nowhere' } }), ConfigError)
    await rejectsWith(t, 'denied', startTestBroker({ options: { control, ...user, 'control-password-file': password } }))
  })
}
