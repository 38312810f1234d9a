import t from 'tap'
import type { Measured } from '../read-results.js'
import { SLUICE } from '../summarize.js'
import { sampleOf } from '../test-samples.fixture.js'
import { PLAIN_PRODUCE, type ProduceWorkload, type Workload } from '../workload.js'
import { compareResults } from './compare-results.js'

const END_TO_END: Workload = { name: 'e2e', size: 64, rate: 1000, flush: 'sync' }
const OPTIONS = { tolerance: 0.05, relative: true }

function measured (
  rates: readonly number[], bare: readonly number[] = [], workload: Workload = PLAIN_PRODUCE,
): Measured {
  return {
    workload,
    samples: [
      ...rates.map((rate, index) => sampleOf(index + 1, SLUICE, rate)),
      ...bare.map((rate, index) => sampleOf(index + 1, 'bare append', rate)),
    ],
  }
}

function latencies (ms: readonly number[]): Measured {
  return { workload: END_TO_END, samples: ms.map((value, index) => sampleOf(index + 1, SLUICE, 1000, value)) }
}

t.test('Compare: a drop beyond tolerance and chance is a regression, and a gain is better', async t => {
  const before = [measured([100, 101, 99, 100, 102])]
  const after = [measured([80, 81, 79, 80, 82])]
  const worse = compareResults(before, after, OPTIONS)
  t.equal(worse.regressions, 1)
  t.match(worse.metrics, [{ metric: 'records/s', verdict: 'regression', relativeTo: null, samplesBefore: 5 }])
  t.equal(compareResults(after, before, OPTIONS).metrics[0]!.verdict, 'better')
  t.equal(compareResults(before, after, { ...OPTIONS, tolerance: 0.3 }).regressions, 0, 'within the tolerance')
})

t.test('Compare: what is within the noise is no regression', async t => {
  const comparison = compareResults([measured([100, 60, 140, 90])], [measured([90, 55, 130, 80])], OPTIONS)
  t.equal(comparison.metrics[0]!.verdict, 'no difference shown')
})

t.test('Compare: a slower machine slows the bare loop too (relative, and not)', async t => {
  const before = [measured([100, 101, 99], [200, 202, 198])]
  const after = [measured([50, 51, 49], [100, 102, 98])]
  const relative = compareResults(before, after, OPTIONS)
  t.match(relative.metrics, [{ relativeTo: 'bare append', verdict: 'no difference shown' }])
  t.equal(compareResults(before, after, { ...OPTIONS, relative: false }).regressions, 1)
  t.equal(compareResults(before, [measured([50, 51, 49])], OPTIONS).metrics[0]!.relativeTo, null, 'only one side has it')
})

t.test('Compare: latencies are better when lower, and a rate that was asked for is not compared', async t => {
  const slower = compareResults([latencies([1, 1.01, 0.99])], [latencies([2, 2.01, 1.99])], OPTIONS)
  t.same(slower.metrics.map(({ metric, verdict }) => [metric, verdict]), [['p50', 'regression'], ['p99', 'regression']])
  const faster = compareResults([latencies([2, 2.01, 1.99])], [latencies([1, 1.01, 0.99])], OPTIONS)
  t.same(faster.metrics.map(({ verdict }) => verdict), ['better', 'better'])
})

t.test('Compare: workloads are paired by what they are, not by the order of fields', async t => {
  const reordered = Object.fromEntries(Object.entries(PLAIN_PRODUCE).reverse()) as unknown as ProduceWorkload
  const other = { ...PLAIN_PRODUCE, size: 1024 }
  const before = [measured([1, 1, 1], [], other), measured([100, 100, 100])]
  const comparison = compareResults(before, [measured([100, 100, 100], [], reordered)], OPTIONS)
  t.match(comparison.metrics, [{ workload: PLAIN_PRODUCE, ratio: 1 }])
})

t.test('Compare: nothing in common, or too few rounds, says what to do', async t => {
  t.throws(() => compareResults([measured([1, 2, 3])], [latencies([1, 1, 1])], OPTIONS),
    { name: 'BenchError', exitCode: 2, message: /no workload in common/ })
  t.throws(() => compareResults([measured([1, 0, 2])], [measured([1, 2, 3])], OPTIONS),
    { name: 'BenchError', exitCode: 2, message: /nothing was done.*--duration/ })
  t.throws(() => compareResults([measured([1, 2])], [measured([1, 2, 3])], OPTIONS),
    { name: 'BenchError', exitCode: 2, message: /first file has 2 rounds of produce.*--rounds 5/ })
})
