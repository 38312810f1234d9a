import type { RedriveDescription } from '@sluice/protocol'
import t from 'tap'
import { connect } from '../client.js'
import { string } from '../serdes.js'
import { startQueueBench } from '../testing/queue-bench.js'
import { ScriptedBroker } from '../testing/scripted-broker.js'

const DESCRIPTION: RedriveDescription = {
  error: 0,
  message: '',
  redriveId: 'job-1',
  state: 'running',
  startedAt: 1,
  endedAt: -1,
  startedBy: 'test',
  examined: 3,
  matched: 2,
  moved: 1,
  sourceTopicId: '',
  partitions: [],
  targetTopicId: '',
  lane: -1,
  reasons: [],
  fromTimestamp: -1,
  toTimestamp: -1,
  headerName: null,
  headerValue: null,
  limit: 0,
  recordsPerSecond: 0,
  dryRun: false,
}

t.test('Redrive: says what to move, follows the job to its end, and stops it', async t => {
  await using broker = await ScriptedBroker.start()
  const source = broker.addTopic('dead')
  const target = broker.addTopic('target')
  let left = 1
  broker.intercept = ({ api }) => {
    if (api === 'startRedrive') return { action: 'answer', message: { redriveId: 'job-1' } }
    if (api === 'cancelRedrive') return { action: 'answer', message: { state: 'cancelled', moved: 5 } }
    if (api !== 'describeRedrives') return undefined
    const state = left-- > 0 ? 'running' : 'done'
    return { action: 'answer', message: { redrives: [{ ...DESCRIPTION, state, moved: 2 }] } }
  }
  await using client = connect({ brokers: [broker.address] })
  const dead = client.queue('dead', { key: string() })
  const since = new Date(1_000)
  const job = await dead.redrive({ to: 'target', reasons: ['reject'], since, header: { name: 'a' }, limit: 10, dryRun: true })
  t.match(broker.requests('startRedrive')[0]!.message, {
    sourceTopicId: source.topicId,
    targetTopicId: target.topicId,
    lane: -1,
    reasons: ['reject'],
    fromTimestamp: 1_000,
    toTimestamp: -1,
    headerName: 'a',
    headerValue: null,
    limit: 10,
    recordsPerSecond: 0,
    dryRun: true,
  })
  t.equal(job.id, 'job-1')
  t.match(await job.done(), { state: 'done', moved: 2 })
  t.equal(await job.cancel(), 5)
  await dead.redrive({ key: 'ann' })
  t.ok(broker.requests('startRedrive')[1]!.message.lane > 0, 'a key is named by its lane')
  t.equal(broker.requests('startRedrive')[1]!.message.targetTopicId, '', 'each to where it came from')
})

t.test('Redrive: a job that has failed says why, and bad options are refused with their range', async t => {
  await using broker = await ScriptedBroker.start()
  broker.addTopic('dead')
  broker.intercept = ({ api }) => api === 'startRedrive'
    ? { action: 'answer', message: { redriveId: 'job-1' } }
    : api === 'describeRedrives'
      ? { action: 'answer', message: { redrives: [{ ...DESCRIPTION, state: 'failed', message: 'the target is gone' }] } }
      : undefined
  await using client = connect({ brokers: [broker.address] })
  const dead = client.queue('dead')
  const job = await dead.redrive()
  await t.rejects(job.done(), { code: 'INVALID', message: /job-1 has failed: the target is gone/ })
  await t.rejects(dead.redrive({ limit: 0 }), { code: 'INVALID', message: /limit must be a number from 1/ })
  await t.rejects(dead.redrive({ recordsPerSecond: 1.5 }), { code: 'INVALID', message: /recordsPerSecond/ })
  await t.rejects(dead.redrive({ to: 'nowhere' }), { code: 'UNKNOWN_TOPIC' })
})

t.test('Redrive: brings back what died, by key, from a real broker, and another process looks after it', async t => {
  await using bench = await startQueueBench({ deadLetter: 'q-dead' })
  await bench.client.admin.createQueue('q-dead', { partitions: 1 })
  const { queue } = bench
  await queue.sendBatch([{ key: 'ann', value: '1' }, { key: 'bob', value: '2' }, { key: 'ann', value: '3' }])
  let dead = 0
  while (dead < 3) {
    for (const record of await queue.receive({ waitMs: 5_000 })) {
      await record.reject('no such job')
      dead++
    }
  }
  const grave = bench.client.queue('q-dead', { key: string(), value: string() })
  const seen = []
  while (seen.length < 3) seen.push(...await grave.receive({ waitMs: 5_000 }))
  t.same(seen.map(({ value }) => value), ['1', '2', '3'])
  for (const record of seen) await record.release()
  t.match(await (await grave.redrive({ dryRun: true, reasons: ['reject'] })).done(), { matched: 3, moved: 0 })
  const job = await grave.redrive({ key: 'ann' })
  t.match(await job.done(), { state: 'done', examined: 3, matched: 2, moved: 2, message: '' })
  const back = []
  while (back.length < 2) back.push(...await queue.receive({ waitMs: 5_000 }))
  t.match(back, [{ key: 'ann', value: '1', deliveries: 1 }, { key: 'ann', value: '3', deliveries: 1 }])
  await bench.broker.restart()
  const other = bench.other().queue('q-dead')
  t.match(await other.redriveById(job.id).status(), { state: 'done', moved: 2 })
  t.same((await other.redrives()).map(({ dryRun, moved }) => ({ dryRun, moved })),
    [{ dryRun: false, moved: 2 }, { dryRun: true, moved: 0 }])
  await t.rejects(other.redriveById('nobody').cancel(), { code: 'INVALID', message: /no redrive nobody/ })
})
