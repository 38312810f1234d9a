// Every workload runs for a moment, and its result is complete. Nothing here asserts a speed.

import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { codecAvailable } from '@sluice/protocol'
import t, { type Test } from 'tap'
import { RUN_DEFAULTS, runWorkload, type RunSettings } from './bench-run.js'
import type { QueueWorkload } from './queue-workload.js'
import { reportTable } from './report.js'
import { RESULT_FORMAT, type BenchResult, type Sample } from './result.js'
import { PLAIN_PRODUCE, type Workload } from './workload.js'

// Every sample starts two processes, which takes its time on a busy machine.
t.setTimeout(600_000)

async function runShortly (t: Test, workload: Workload, settings: Partial<RunSettings> = {}): Promise<BenchResult> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const result = await runWorkload(workload, {
    ...RUN_DEFAULTS, rounds: 1, warmupMs: 50, durationMs: 20_000, count: 1, folder, ...settings,
  })
  t.same(await readdir(folder), [], 'nothing is left behind')
  return JSON.parse(JSON.stringify(result)) as BenchResult
}

function checkResult (t: Test, result: BenchResult, workload: Workload, contenders: readonly string[]): void {
  t.equal(result.format, RESULT_FORMAT)
  t.same(result.workload, workload)
  t.ok(Date.parse(result.startedAt) > 0)
  t.ok(result.loadAverageAtStart >= 0)
  t.ok(result.machine.cores > 0 && result.machine.processor !== '' && result.machine.node === process.version)
  t.ok(result.source.commit === null || /^[0-9a-f]{40}$/.test(result.source.commit))
  t.ok(result.broker!.version !== '')
  t.equal(result.broker!.options['log-level'], 'warn', 'the options in force are in the result')
  t.same(result.samples.map(({ round, contender }) => [round, contender]),
    Array.from({ length: result.rounds }, (_, index) => contenders.map(name => [index + 1, name])).flat(),
    'contenders take turns')
  t.same(result.summaries.map(summary => summary.contender), contenders)
  t.same(result.ratios.map(ratio => ratio.to), contenders.slice(1))
  for (const sample of result.samples) checkSample(t, sample)
  for (const name of contenders) t.match(reportTable(result), name, 'the table names each contender')
}

function checkSample (t: Test, sample: Sample): void {
  t.ok(sample.records >= 1 && Number.isInteger(sample.records), `${sample.contender} did ${sample.records} records`)
  t.equal(sample.failedRecords, 0)
  t.equal(sample.recordsPerSecond, sample.records / sample.seconds)
  for (const usage of [sample.client, sample.server]) {
    t.ok(usage.cpuSeconds > 0 && usage.rssBytesMax > 1024 * 1024)
    t.ok(usage.gcSeconds >= 0 && usage.eventLoopDelayP99Us >= 0)
  }
}

function checkLatencies (t: Test, sample: Sample, intended: boolean): void {
  t.equal(sample.intendedLatency !== null, intended)
  for (const latency of [sample.serviceLatency!, ...(intended ? [sample.intendedLatency!] : [])]) {
    t.equal(latency.count, sample.records, 'each record has its latency')
    t.ok(latency.p50Us <= latency.p99Us && latency.p99Us <= latency.p999Us && latency.p50Us >= 1)
  }
}

t.test('Bench: produce reports Sluice beside every form of the bare loop', async t => {
  const workload: Workload = {
    name: 'produce', size: 100, batch: 100, lingerMs: 1, acks: 'quorum', compression: 'gzip', flush: 'sync', partitions: 2, connections: 2, inFlightBytes: 65536,
  }
  const result = await runShortly(t, workload, { count: 500 })
  checkResult(t, result, workload, ['sluice', 'bare append', 'bare overlap', 'bare prewritten'])
  for (const sample of result.samples) {
    t.ok(sample.records >= 500, 'the count was reached')
    if (sample.contender !== 'sluice') t.equal(sample.recordsPerBatch, 100)
  }
})

t.test('Bench: rounds take the contenders in turns (two rounds, batches left to the client)', async t => {
  const workload: Workload = { ...PLAIN_PRODUCE, size: 1_024, flush: 'none' }
  const result = await runShortly(t, workload, { rounds: 2, bare: ['append'] })
  checkResult(t, result, workload, ['sluice', 'bare append'])
  const { min, median, max } = result.ratios[0]!.recordsPerSecond
  t.ok(min <= median && median <= max && min > 0)
})

for (const depth of ['records', 'batches', 'raw'] as const) {
  t.test(`Bench: fetch goes through the backlog again and again (${depth})`, async t => {
    const workload: Workload = { name: 'fetch', size: 100, batch: 50, backlog: 2_000, partitions: 1, depth }
    const bare = depth === 'batches' ? [] : RUN_DEFAULTS.bare
    const result = await runShortly(t, workload, { count: 3_000, bare })
    checkResult(t, result, workload, bare.length === 0 ? ['sluice'] : ['sluice', 'bare fetch'])
    for (const sample of result.samples) t.ok(sample.records >= 3_000, 'more than one pass')
  })
}

t.test('Bench: e2e has a latency from the intended moment for each record', async t => {
  const workload: Workload = { name: 'e2e', size: 64, rate: 500, flush: 'sync' }
  const result = await runShortly(t, workload, { count: 50, bare: ['append'] })
  checkResult(t, result, workload, ['sluice', 'bare append'])
  for (const sample of result.samples) checkLatencies(t, sample, true)
})

t.test('Bench: await-send has a latency for each call', async t => {
  const workload: Workload = { name: 'await-send', size: 100, concurrency: 4, flush: 'sync' }
  const result = await runShortly(t, workload, { count: 50, bare: ['append'] })
  checkResult(t, result, workload, ['sluice', 'bare append'])
  for (const sample of result.samples) checkLatencies(t, sample, false)
})

const QUEUE: QueueWorkload = {
  name: 'queue',
  size: 100,
  partitions: 1,
  order: 'none',
  keys: 0,
  receiveRecords: 10,
  receivers: 2,
  concurrency: null,
  backlog: 2_000,
  hangEvery: null,
  visibilityMs: 1_000,
  rate: null,
}

t.test('Bench: queue receives and acknowledges, and fills up what it empties (order of keys)', async t => {
  const workload: QueueWorkload = { ...QUEUE, order: 'key', keys: 50 }
  const result = await runShortly(t, workload, { count: 3_000, bare: ['append'] })
  checkResult(t, result, workload, ['sluice', 'bare append'])
  for (const sample of result.samples) {
    t.ok(sample.records >= 3_000, 'more than the backlog')
    t.ok(sample.recordsPerBatch! <= 10 && sample.serviceLatency!.count > 0)
  }
})

t.test('Bench: queue works on with handlers that hang, in turns with a run without', async t => {
  const workload: QueueWorkload = { ...QUEUE, concurrency: 20, hangEvery: 200 }
  const result = await runShortly(t, workload, { count: 1_000, bare: [] })
  checkResult(t, result, workload, ['sluice', 'sluice without hangs'])
})

t.test('Bench: queue has a latency up to the handler for each record', async t => {
  const workload: QueueWorkload = { ...QUEUE, concurrency: 1, rate: 500 }
  const result = await runShortly(t, workload, { count: 50, bare: ['append'] })
  checkResult(t, result, workload, ['sluice', 'bare append'])
  for (const sample of result.samples) checkLatencies(t, sample, true)
})

t.test('Bench: messaging brings every record to every group (topics, keys, groups, consumers)', async t => {
  const workload: Workload = {
    name: 'messaging',
    topics: 2,
    partitionsPerTopic: 2,
    size: 64,
    keys: 'random',
    producersPerTopic: 2,
    subscriptionsPerTopic: 2,
    consumersPerSubscription: 2,
    rate: 500,
    flush: 'sync',
  }
  const result = await runShortly(t, workload, { count: 100 })
  checkResult(t, result, workload, ['sluice'])
  const { intendedLatency, serviceLatency } = result.samples[0]!
  t.ok(intendedLatency!.count > 0 && intendedLatency!.count === serviceLatency!.count)
})

t.test('Bench: backlog ends when the group has caught up', async t => {
  const workload: Workload = { name: 'backlog', size: 64, batch: 100, backlog: 5_000, rate: 200, partitions: 2 }
  const result = await runShortly(t, workload, { count: null, warmupMs: 0, durationMs: 60_000 })
  checkResult(t, result, workload, ['sluice'])
  const [sample] = result.samples
  t.ok(sample!.records >= 4_000 && sample!.seconds < 60, `${sample!.records} records in ${sample!.seconds} s`)
})

t.test('Bench: what cannot be measured is told before anything is started', async t => {
  await t.rejects(runWorkload(QUEUE, { ...RUN_DEFAULTS, sluice: false, bare: [] }), { name: 'BenchError', exitCode: 2 })
  const produce: Workload = { ...PLAIN_PRODUCE, compression: 'zstd' }
  if (codecAvailable('zstd')) t.pass('zstd is there')
  else await t.rejects(runWorkload(produce, RUN_DEFAULTS), { name: 'BenchError', exitCode: 2, message: /zstd is not available here/ })
  await t.rejects(runWorkload({ ...produce, compression: 'none' }, { ...RUN_DEFAULTS, folder: '/dev/null/below' }),
    { name: 'BenchError', exitCode: 2, message: /--folder/ })
})

t.test('Bench: a run fails with the cause and leaves nothing behind (an option that the broker refuses)', async t => {
  const workload: Workload = { name: 'await-send', size: 100, concurrency: 1, flush: 'sync' }
  await t.rejects(runShortly(t, workload, { brokerOptions: { 'open-files': '-1' } }), /broker process ended with code 2/)
})
