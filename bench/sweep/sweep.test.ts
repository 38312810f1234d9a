import t from 'tap'
import { unclosed } from '../html/markup.fixture.js'
import { SLUICE, spread, summarize } from '../summarize.js'
import { sampleOf } from '../test-samples.fixture.js'
import { PLAIN_PRODUCE, type ProduceWorkload } from '../workload.js'
import { bestCombination, recommend } from './recommend.js'
import { differences, planSweep, type Levels } from './sweep-plan.js'
import { partitionsPage, partitionsTable, sweepPage, sweepTable } from './sweep-report.js'
import { SWEEP_FORMAT, type SweepPoint, type SweepResult } from './sweep-result.js'

const NO_LEVELS: Levels = {
  batch: [], lingerMs: [], partitions: [], acks: [], compression: [], inFlightBytes: [], flush: [],
}

/** A point with rates relative to the base of 100, one a round. */
function point (change: Partial<ProduceWorkload>, ...rates: number[]): SweepPoint {
  const workload = { ...PLAIN_PRODUCE, ...change }
  const samples = rates.map((rate, index) => sampleOf(index + 1, SLUICE, rate, 1))
  return {
    workload,
    changed: differences(PLAIN_PRODUCE, workload),
    samples,
    summary: summarize(SLUICE, samples),
    ratio: spread(rates.map(rate => rate / 100)),
  }
}

function resultOf (points: SweepPoint[]): SweepResult {
  return {
    format: SWEEP_FORMAT,
    startedAt: '2026-01-01T00:00:00.000Z',
    design: 'each',
    rounds: 3,
    warmupMs: 1,
    durationMs: 1,
    machine: { cores: 2, processor: 'A <fast> one', memoryBytes: 1, kernel: 'Linux', architecture: 'x64', node: 'v20', disk: null },
    loadAverageAtStart: 0,
    source: { commit: null, dirty: null },
    broker: { version: '0', options: {} },
    points,
    recommendation: recommend(points),
  }
}

t.test('Sweep: one setting at a time, the base first, nothing twice', async t => {
  const points = planSweep(PLAIN_PRODUCE, { ...NO_LEVELS, batch: [null, 100], lingerMs: [0, 5], flush: ['sync'] }, 'each')
  t.same(points, [PLAIN_PRODUCE, { ...PLAIN_PRODUCE, batch: 100 }, { ...PLAIN_PRODUCE, lingerMs: 5 }])
})

t.test('Sweep: a grid has every combination once, and one that is too large is refused', async t => {
  const points = planSweep(PLAIN_PRODUCE, { ...NO_LEVELS, batch: [null, 100], lingerMs: [0, 5], partitions: [1, 2, 3] }, 'grid')
  t.equal(points.length, 12)
  t.same(points[0], PLAIN_PRODUCE)
  t.equal(new Set(points.map(point => JSON.stringify(point))).size, 12)
  const many = Array.from({ length: 30 }, (_, index) => index + 1)
  t.throws(() => planSweep(PLAIN_PRODUCE, { ...NO_LEVELS, partitions: many, lingerMs: many }, 'grid'),
    { name: 'BenchError', exitCode: 2, message: /900 combinations, more than 500/ })
})

t.test('Sweep: the fastest setting that promises as much is recommended', async t => {
  const points = [
    point({}, 100, 100, 100), point({ lingerMs: 5 }, 120, 130, 140), point({ flush: 'none' }, 900, 900, 900),
    point({ acks: 'leader' }, 800, 800, 800), point({ batch: 100, compression: 'gzip' }, 150, 160, 170),
  ]
  const { point: chosen, producerOptions, topicSettings, reason } = recommend(points)
  t.equal(chosen, 4)
  t.match(producerOptions, { compression: 'gzip', batchBytes: Number })
  t.same(Object.keys(producerOptions).sort(), ['batchBytes', 'compression'])
  t.same(topicSettings, {})
  t.match(reason, /^1\.60 times .*\(1\.50–1\.70\)/)
})

t.test('Sweep: what is not faster in every round is no reason to leave the base', async t => {
  const { point: chosen, producerOptions } = recommend([point({}, 100, 100, 100), point({ lingerMs: 5 }, 99, 300, 300)])
  t.equal(chosen, 0)
  t.same(producerOptions, {})
})

t.test('Sweep: the best levels together leave promises alone', async t => {
  const best = bestCombination([
    point({}, 100, 100, 100), point({ lingerMs: 1 }, 110, 110, 110), point({ lingerMs: 5 }, 120, 120, 120),
    point({ partitions: 4 }, 150, 150, 150), point({ flush: 'none' }, 900, 900, 900), point({ batch: 10 }, 50, 50, 50),
  ])
  t.same(best, { ...PLAIN_PRODUCE, lingerMs: 5, partitions: 4 })
})

t.test('Sweep: the report is one file with plots, and needs nothing from elsewhere', async t => {
  const result = resultOf([
    point({}, 100, 110, 90), point({ partitions: 4 }, 150, 140, 160), point({ lingerMs: 5 }, 50, 40, 60),
  ])
  for (const page of [sweepPage(result), partitionsPage(result)]) {
    t.match(page, /^<!doctype html>[^]*<svg [^]*<\/svg>[^]*<\/html>\n$/)
    t.notMatch(page, /<script|<link|<img|https?:|@import|url\(|NaN|Infinity|undefined/)
    t.match(page, 'A &#60;fast&#62; one', 'texts are escaped')
    t.match(page, /prefers-color-scheme: dark/)
    t.equal(page.match(/<figure>/g)!.length, 2)
    const plots = page.match(/<svg [^]*?<\/svg>/g)!
    t.equal(plots.length, 2)
    for (const plot of plots) {
      t.equal(unclosed(plot), '', 'the plot is well-formed')
      t.match(plot, /<rect |<circle /, 'and has something in it')
    }
  }
  t.match(sweepTable(result), /recommended: partitions 4: 1\.50 times[^]*createTopic\(name, \{ partitions: 4 \}\)/)
  t.match(partitionsTable(result), /4 +150 +1\.50/)
})
