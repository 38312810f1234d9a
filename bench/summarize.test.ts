import t from 'tap'
import { LatencyRecorder } from './measure/latency-recorder.js'
import { ratiosOf, spread, summarize } from './summarize.js'
import { sampleOf } from './test-samples.fixture.js'

t.test('Summary: median and range (odd and even counts)', async t => {
  t.same(spread([3, 1, 2]), { median: 2, min: 1, max: 3 })
  t.same(spread([4, 1, 2, 3]), { median: 2.5, min: 1, max: 4 })
  t.same(spread([7]), { median: 7, min: 7, max: 7 })
})

t.test('Summary: ratios pair the samples of one round', async t => {
  const samples = [
    sampleOf(1, 'sluice', 50), sampleOf(1, 'bare append', 100),
    sampleOf(2, 'sluice', 10), sampleOf(2, 'bare append', 20),
    sampleOf(3, 'sluice', 90), sampleOf(3, 'bare append', 100),
  ]
  t.same(ratiosOf(samples), [
    { to: 'bare append', recordsPerSecond: { median: 0.5, min: 0.5, max: 0.9 }, latencyP50: null, latencyP99: null },
  ])
  t.same(ratiosOf(samples.filter(sample => sample.contender !== 'sluice')), [], 'none without Sluice')
})

t.test('Summary: histograms of all rounds are merged, percentiles are not averaged', async t => {
  const summary = summarize('sluice', [1, 1, 1000].map((ms, index) => sampleOf(index + 1, 'sluice', 10, ms)))
  t.equal(summary.serviceLatency!.count, 3)
  t.equal(summary.serviceLatency!.p50Us, 1000)
  t.ok(Math.abs(summary.serviceLatency!.maxUs - 1_000_000) < 1_000)
  t.equal(summary.intendedLatency, null)
  t.equal(summary.failedRecords, 3)
  t.equal(summary.clientCores.median, 0.5)
  t.equal(summary.clientGcShare.median, 0.05)
})

t.test('Latency: what is out of range counts at the end of the range', async t => {
  const recorder = new LatencyRecorder()
  recorder.record(-5)
  recorder.record(1e9)
  const summary = recorder.summary()
  t.equal(summary.count, 2)
  t.equal(summary.p50Us, 1)
  t.ok(summary.maxUs >= 60_000_000)
})
