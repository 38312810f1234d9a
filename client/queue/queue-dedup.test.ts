import t from 'tap'
import { startQueueBench } from '../testing/queue-bench.js'

t.test('Queue: a second record of a dedup id is answered with the first and never handed out', async t => {
  await using bench = await startQueueBench({ partitions: 4, dedupScope: 'until-settled' })
  const { queue } = bench
  const first = await queue.send({ value: 'a', dedupId: 'payment-1' })
  const second = await queue.send({ value: 'b', dedupId: 'payment-1' })
  t.match(second, { duplicate: true, id: first.id, partition: first.partition, offset: first.offset })
  const results = await queue.sendBatch([{ value: 'c', dedupId: 'payment-1' }, { value: 'd', dedupId: 'payment-2' }])
  t.match(results, [{ ok: true, duplicate: true, id: first.id }, { ok: true, duplicate: false }])
  const values: string[] = []
  while (values.length < 2) {
    for (const record of await queue.receive({ waitMs: 5_000 })) {
      values.push(record.value!)
      await record.ack()
    }
  }
  t.same(values.sort(), ['a', 'd'])
  t.equal((await queue.send({ value: 'e', dedupId: 'payment-1' })).duplicate, false, 'free again once it is settled')
})

t.test('Queue: a record is cancelled or brought forward by its dedup id', async t => {
  await using bench = await startQueueBench({ partitions: 3 })
  const { queue } = bench
  await queue.send({ value: 'other', delayMs: 60_000, dedupId: 'order-7' })
  const soon = await queue.send({ value: 'soon', delayMs: 60_000, dedupId: 'order-8', key: 'bob' })
  t.equal(await queue.cancel({ dedupId: 'order-7' }), 'ok')
  t.equal(await queue.cancel({ dedupId: 'never-sent' }), 'unknown')
  t.match(await queue.explain({ dedupId: 'order-8' }), { partition: soon.partition, offset: soon.offset })
  t.equal(await queue.explain({ dedupId: 'never-sent' }), null)
  t.equal(await queue.reschedule({ dedupId: 'order-8', key: 'bob' }, { delayMs: 0 }), 'ok')
  t.same((await queue.receive({ waitMs: 5_000 })).map(({ id }) => id), [soon.id])
})

t.test('Queue: a record without a key is refused where the queue keeps the order of keys', async t => {
  await using bench = await startQueueBench({ order: 'key', keyless: 'refuse' })
  await t.rejects(bench.queue.send({ value: 'x' }), { code: 'INVALID', message: /KEY_REQUIRED/ })
  await bench.queue.send({ key: 'k', value: 'x' })
})
