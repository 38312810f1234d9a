// The gate against regressions: what a record costs client and broker together, by what it costs the bare loop in the
// same round. It holds processor time and no rates, which go with whatever else the machine does, and its bounds are
// several times what is measured. A regression is what three rounds agree on.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { BareForm } from './bare-loop/commit-loop.js'
import { contendersOf, RUN_DEFAULTS, type RunSettings } from './bench-run.js'
import type { Sample } from './result.js'
import { SLUICE } from './summarize.js'
import { takeSample } from './take-sample.js'
import { PLAIN_PRODUCE, type Workload } from './workload.js'

t.setTimeout(240_000)

interface Gate {
  readonly workload: Workload
  readonly bare: BareForm
  readonly records: number
  readonly timesMax: number
}

const ROUNDS_MAX = 3

/** Measured on two cores, with much else going on: 1.1, 1.8 and 1.8 times. */
const GATES: Record<string, Gate> = {
  'produce of 100 B': {
    workload: PLAIN_PRODUCE,
    bare: 'overlap',
    records: 2_000_000,
    timesMax: 4,
  },
  'fetch of 100 B': {
    workload: { name: 'fetch', size: 100, batch: 1_000, backlog: 200_000, partitions: 1, depth: 'batches' },
    bare: 'append',
    records: 2_000_000,
    timesMax: 6,
  },
  'receive and ack of 100 B': {
    workload: {
      name: 'queue',
      size: 100,
      partitions: 1,
      order: 'none',
      keys: 0,
      receiveRecords: 100,
      receivers: 16,
      concurrency: null,
      backlog: 50_000,
      hangEvery: null,
      visibilityMs: 30_000,
      rate: null,
    },
    bare: 'append',
    records: 150_000,
    timesMax: 8,
  },
}

/** Processor time of both sides for a record, in microseconds. */
function costOf ({ client, server, records }: Sample): number {
  return (client.cpuSeconds + server.cpuSeconds) * 1e6 / records
}

for (const [name, { workload, bare, records, timesMax }] of Object.entries(GATES)) {
  t.test(`Gate: ${name} costs at most ${timesMax} times what it costs the bare loop`, async t => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-gate-'))
    t.teardown(() => rm(folder, { recursive: true, force: true }))
    const settings: RunSettings = {
      ...RUN_DEFAULTS, warmupMs: 500, durationMs: 30_000, count: records, bare: [bare], folder,
    }
    const times: number[] = []
    while (times.length < ROUNDS_MAX && !times.some(each => each <= timesMax)) {
      const costs = new Map<string, number>()
      for (const contender of contendersOf(workload, settings)) {
        const { sample } = await takeSample(contender, settings, times.length + 1)
        costs.set(contender.name === SLUICE ? SLUICE : 'bare', costOf(sample))
      }
      times.push(costs.get(SLUICE)! / costs.get('bare')!)
    }
    t.comment(`times: ${times.map(each => each.toFixed(2)).join(', ')}`)
    t.ok(times.some(each => each <= timesMax), `it costs ${times.map(each => each.toFixed(1)).join(', ')} times as much`)
  })
}
