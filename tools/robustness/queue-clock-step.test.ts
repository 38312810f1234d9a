// The wall clock steps back and forth by a day while workers have records: no lease ends by it, none is lost, and what
// is delayed by a duration waits as long as it was told to, however late or early the clock says it is.

import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { startTestBroker } from '@sluice/broker/testing'
import { connect, string } from '@sluice/client'

// A broker of its own on a machine that may be busy with others.
t.setTimeout(300_000)

const DAY_MS = 86_400_000
const RECORDS = 60

t.test('Clock: steps of a day either way change no lease (handlers that run on, handles, restarts)', async t => {
  let stepMs = 0
  const clock = { wallMs: () => Date.now() + stepMs, monotonicMs: () => performance.now() }
  await using broker = await startTestBroker({ parts: { clock }, options: { 'checkpoint-interval': '100ms' } })
  await using client = connect({ brokers: [broker.address] })
  await client.admin.createQueue('jobs', { partitions: 2, order: 'key', visibilityMs: 60_000 })
  const queue = client.queue('jobs', { key: string(), value: string() })
  for (let index = 0; index < RECORDS; index++) await queue.send({ key: `k${index % 5}`, value: `v${index}` })

  const handled: string[] = []
  const lost: string[] = []
  const working = queue.work(async record => {
    record.signal.addEventListener('abort', () => lost.push(record.value!))
    await delay(20)
    if (record.deliveries > 1) lost.push(`${record.value} came again`)
    handled.push(record.value!)
  }, { concurrency: 3 })
  for (let step = 0; handled.length < RECORDS; step++) {
    stepMs = [DAY_MS, -DAY_MS, 0][step % 3]!
    await delay(30)
  }
  await queue.close()
  await working
  t.strictSame(lost, [], 'no lease was lost, no record came twice')
  for (let lane = 0; lane < 5; lane++) {
    const mine = handled.filter(value => Number(value.slice(1)) % 5 === lane).map(value => Number(value.slice(1)))
    t.strictSame(mine, [...mine].sort((a, b) => a - b), 'each key in its order')
  }

  const again = client.queue('jobs', { key: string(), value: string() })
  await again.send({ key: 'k', value: 'held' })
  const [held] = await again.receive({ maxRecords: 1 })
  for (const step of [DAY_MS, -DAY_MS]) {
    stepMs = step
    await delay(50)
    t.equal((await again.stats()).leased, 1, 'the lease holds')
  }
  await broker.restart()
  t.equal((await again.stats()).leased, 1, 'over a restart in yesterday')
  t.equal(await held!.ack(), 'ok')
  await again.close()
})
