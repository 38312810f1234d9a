import t from 'tap'
import { outsideReferences, unclosed } from '../html/markup.fixture.js'
import { SLUICE } from '../summarize.js'
import { sampleOf } from '../test-samples.fixture.js'
import { deliveriesPerRecord, GROWTH_AXES, GROWTH_AXIS_NAMES } from './growth-axes.js'
import { growthPage, growthTable } from './growth-report.js'
import { GROWTH_FORMAT, type GrowthCurve, type GrowthResult } from './growth-result.js'
import { exponentOf, growthPoint } from './run-growth.js'

const WORKLOAD = GROWTH_AXES.partitions.lines[0].workloadAt(1)

/** A curve with the rates of a broker that uses half a core all the time. */
function curveOf (label: string, rates: readonly number[]): GrowthCurve {
  const points = rates.map((rate, index) => growthPoint(10 ** index, WORKLOAD, [sampleOf(1, SLUICE, rate)]))
  const costs = points.map(({ level, brokerMicroseconds: { median } }) => [level, median] as const)
  return { label, points, exponent: exponentOf(costs) }
}

function resultOf (curves: GrowthCurve[]): GrowthResult {
  return {
    format: GROWTH_FORMAT,
    startedAt: '2026-01-01T00:00:00.000Z',
    rounds: 1,
    warmupMs: 1,
    durationMs: 1,
    machine: { cores: 2, processor: 'A <fast> one', memoryBytes: 1, kernel: 'Linux', architecture: 'x64', node: 'v20', disk: null },
    loadAverageAtStart: 0,
    source: { commit: null, dirty: null },
    broker: { version: '0', options: {} },
    axes: [{ name: 'partitions', title: 'partitions', curves }],
  }
}

t.test('Growth: the exponent is that of the power which the costs follow', async t => {
  const powers = [[0, 'a constant'], [1, 'linear'], [2, 'quadratic'], [-0.5, 'falling']] as const
  for (const [power, name] of powers) {
    const exponent = exponentOf([1, 4, 16, 64].map(level => [level, 3 * level ** power]))
    t.ok(Math.abs(exponent! - power) < 1e-9, name)
  }
  t.equal(exponentOf([[1, 5]]), null, 'nothing can be said of one level')
})

t.test('Growth: a record that goes to many groups counts once for each', async t => {
  const workload = GROWTH_AXES.groups.lines[0].workloadAt(4)
  t.equal(deliveriesPerRecord(workload), 4)
  const point = growthPoint(4, workload, [sampleOf(1, SLUICE, 100), sampleOf(2, SLUICE, 200)])
  // One second of processor time for 200 and 400 records in the two seconds of a sample.
  t.match(point.brokerMicroseconds, { min: 1e6 / 1600, max: 1e6 / 800 })
  t.match(point.recordsPerSecond, { min: 400, max: 800 })
})

t.test('Growth: all axes rise, from a level that anybody can run', async t => {
  for (const name of GROWTH_AXIS_NAMES) {
    const { levels, lines } = GROWTH_AXES[name]
    t.same([...levels].sort((a, b) => a - b), levels, name)
    t.ok(levels[0] <= 10_000 && lines.length > 0, name)
  }
})

t.test('Growth: the report says how a cost goes, and is whole by itself', async t => {
  const result = resultOf([
    curveOf('level', [100, 100, 100]), curveOf('steep <b>', [1e9, 1e7, 1e4]), curveOf('falling', [10, 100, 1_000]),
    curveOf('single', [7]),
  ])
  const table = growthTable(result)
  t.match(table, /level: goes with the power 0\.00: a record costs the same/)
  t.match(table, /steep <b>: goes with the power 2\.50: worse than linear/)
  t.match(table, /falling: goes with the power -1\.00: a record costs less/)
  t.match(table, /single: one level only/)
  const page = growthPage(result)
  t.notMatch(page, /<b>|NaN|undefined|Infinity/)
  t.same(outsideReferences(page), [], 'it needs no network')
  const [plot] = /<svg [^]*?<\/svg>/.exec(page)!
  t.equal(unclosed(plot), '', 'the plot is well-formed')
  t.equal(plot.match(/<path d="[^"]*" class="line line\d"/g)!.length, 4, 'a line for each curve')
})

t.test('Growth: references to elsewhere are found (the check itself)', async t => {
  for (const markup of ['<script>x</script>', '<img src="a">', '<a href=b>', '<style>@import "c";</style>', '<p style="background: url(d)">']) {
    t.not(outsideReferences(markup).length, 0, markup)
  }
})
