// A disk that fills up under a queue: nothing is said to be settled that is not, and all goes on with space.

import { rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { BrokerError, connect, string, type LeasedRecord } from '@sluice/client'
import { BrokerProcess } from '../broker-process.js'
import { NEEDS_DISK, fillWith, smallDisk } from '../small-disk.js'

// Real processes on a machine that may be busy with others.
t.setTimeout(300_000)

const RECORDS = 200

t.test('Full disk: settles are refused, or done for good, and go on by themselves with space', NEEDS_DISK, async t => {
  await using disk = await smallDisk(24)
  const data = `${disk.path}/data`
  await using broker = await BrokerProcess.start({ data })
  await using client = connect({ brokers: [broker.address], retry: { maxDelayMs: 200 } })
  await client.admin.createQueue('jobs', { partitions: 1 })
  const serdes = { key: string(), value: string() }
  const queue = client.queue('jobs', serdes)
  for (let index = 0; index < RECORDS; index++) await queue.send({ value: `v${index}` })
  const leases: LeasedRecord<string, string>[] = []
  while (leases.length < RECORDS) leases.push(...await queue.receive({ maxRecords: RECORDS }))

  const ballast = `${disk.path}/ballast`
  await fillWith(ballast)
  // Fills the rest up: with what the queue has to store, and with records of a producer that does not wait long.
  await using impatient = connect({ brokers: [broker.address], retry: false, requestTimeoutMs: 500 })
  const filler = impatient.queue('jobs', serdes, { producer: { deliveryTimeoutMs: 500 } })
  let sent = 0
  let refusal: unknown = null
  while (refusal === null) {
    await filler.send({ value: 'x'.repeat(50_000) }).then(() => { sent++ }, (error: unknown) => { refusal = error })
  }
  t.ok(BrokerError.is(refusal) && refusal.retriable, String(refusal))
  const acks = Promise.allSettled(leases.map(lease => lease.ack()))
  await delay(500)
  t.notOk(broker.isGone)

  await rm(ballast)
  const outcomes = await acks
  t.strictSame(outcomes.filter(({ status }) => status === 'rejected'), [], 'what was tried meanwhile is done')
  t.equal((await queue.stats()).acknowledged, RECORDS)
  await queue.send({ value: 'after' })
  t.equal((await broker.stop()).code, 0)

  await using again = await BrokerProcess.start({ data })
  await using other = connect({ brokers: [again.address] })
  const rest = other.queue('jobs', serdes)
  const seen = new Set<string>()
  for (let empty = 0; empty < 2;) {
    const records = await rest.receive({ maxRecords: 1_000, waitMs: 300 })
    empty = records.length === 0 ? empty + 1 : 0
    for (const { value } of records) seen.add(value!)
    await Promise.all(records.map(record => record.ack()))
  }
  t.notOk([...seen].some(value => /^v/.test(value)), 'nothing that was acknowledged comes again')
  t.ok(seen.has('after'))
  t.ok(sent > 0)
})
