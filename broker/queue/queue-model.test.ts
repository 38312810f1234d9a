// The whole state machine against a naive model, in random lives with crashes.

import fc from 'fast-check'
import t from 'tap'
import type { QueueConfig } from './queue-settings.js'
import { QueueLife, stepsOf } from './queue-model.test.double.js'

const QUEUES: Record<string, Partial<QueueConfig>> = {
  'by offset': {},
  'by offset, without dead letters': { hasDeadLetters: false, maxInFlight: 4 },
  'by offset, expired records to the dead letters': { deadLetterExpired: true },
  'by key, poison dlq-one': { order: 'key', poison: 'dlq-one' },
  'by key, poison dlq-key': { order: 'key', poison: 'dlq-key' },
  'by key, poison hold': { order: 'key', poison: 'hold' },
  fair: { order: 'fair' },
  'fair, two leases a key': { order: 'fair', keyConcurrency: 2 },
  'fair, by a rate a key': { order: 'fair', keyRate: 2, keyRatePeriodMs: 3_000, keyConcurrency: 3 },
  'by key, by a rate a key': { order: 'key', keyRate: 2, keyRatePeriodMs: 3_000 },
  'by priority': { order: 'priority' },
}

for (const [name, config] of Object.entries(QUEUES)) {
  t.test(`QueueGroup: random lives hold every invariant (${name})`, async () => {
    fc.assert(fc.property(stepsOf(60), fc.nat(), (steps, seed) => {
      const life = new QueueLife(config, null, seed)
      for (const step of steps) life.run(step)
      life.drain()
    }), { seed: 7, numRuns: Number(process.env.SLUICE_TEST_RUNS ?? 150) })
  })
}

t.test('QueueGroup: the same seed gives the same deltas', async t => {
  const [steps] = fc.sample(stepsOf(200), { seed: 3, numRuns: 1 })
  const deltas = [1, 2].map(() => {
    const life = new QueueLife({ order: 'key' }, null, 5)
    for (const step of steps!) life.run(step)
    return Buffer.concat(life.world.deltas).toString('hex')
  })
  t.equal(deltas[0], deltas[1])
})
