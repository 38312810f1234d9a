// What the audit at the end of a run must not pass over.

import t from 'tap'
import { Audit } from './audit.js'
import { inTask } from './microtasks.js'
import { Simulation } from './simulation.js'

/** A run that has come to rest, changed by `spoil`; what the audit says of it. */
async function audited (spoil: (simulation: Simulation) => void): Promise<string | null> {
  return await inTask(() => {
    const simulation = new Simulation({ seed: 4, adjust: options => ({ ...options, flush: 'sync', retentionBytes: -1 }) })
    const { violation } = simulation.run()
    if (violation !== null) throw violation
    spoil(simulation)
    const audit = new Audit(simulation)
    audit.begin()
    for (let steps = 0; steps < 20_000 && !audit.isDone; steps++) {
      simulation.queue.step(Infinity)
      simulation.settle()
    }
    return audit.violation?.message ?? null
  })
}

/** The file of a log with something in it. */
function someFile ({ brokers }: Simulation): { brokerId: number, path: string } {
  for (const { id, disk } of brokers) {
    for (const path of disk.paths()) {
      if (path.startsWith('/data/logs/') && path.endsWith('.log') && disk.contents(path).length > 4_200) return { brokerId: id, path }
    }
  }
  throw new Error('there is none')
}

t.test('Audit: a run that ends well passes', async t => {
  t.equal(await audited(() => {}), null)
})

t.test('Audit: a committed batch with another epoch, or none, is found (I7)', async t => {
  const said = await audited(({ checker, topic }) => {
    for (let partition = 0; partition < topic.partitions; partition++) {
      const { batches } = checker.committed(partition, 0)
      if (batches.length > 0) batches[batches.length - 1] = { ...batches[batches.length - 1]!, epoch: 999 }
    }
  })
  t.match(said, /^I7: .* not what is committed/)
})

t.test('Audit: a file that is gone, and one that belongs to no log, are found (I14)', async t => {
  const gone = await audited(simulation => {
    const { brokerId, path } = someFile(simulation)
    void simulation.brokers[brokerId]!.disk.remove(path)
    for (let steps = 0; steps < 100; steps++) simulation.queue.step(Infinity)
  })
  t.match(gone, /^I14: .* misses/)
  const stray = await audited(simulation => {
    const { brokerId, path } = someFile(simulation)
    void simulation.brokers[brokerId]!.disk.open(`${path.slice(0, -5)}x.log`, { create: 'new' })
    for (let steps = 0; steps < 100; steps++) simulation.queue.step(Infinity)
  })
  t.match(stray, /^I14: .* no part of any log/)
})
