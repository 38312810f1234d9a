// Known ways to get a queue wrong, each planted and found: a suite that passes whatever is broken proves nothing.

import fc from 'fast-check'
import t from 'tap'
import { DedupLife, dedupStepsOf } from './dedup-model.test.double.js'
import type { QueueConfig } from './queue-settings.js'
import { QueueLife, stepsOf } from './queue-model.test.double.js'
import type { Mutant } from './queue-world.test.double.js'

const RUNS_MAX = 1_000

function findsIt (config: Partial<QueueConfig>, mutant: Mutant | null): { failed: boolean, error: string } {
  const result = fc.check(fc.property(stepsOf(80), fc.nat(), (steps, seed) => {
    const life = new QueueLife(config, mutant, seed)
    for (const step of steps) life.run(step)
    life.drain()
  }), { seed: 11, numRuns: mutant === null ? 50 : RUNS_MAX, endOnFailure: true })
  return { failed: result.failed, error: String((result.errorInstance as Error | null)?.message ?? '') }
}

const STORIES: Record<Mutant, { story: string, config: Partial<QueueConfig> }> = {
  settleBeforeCommit: { story: 'an ack answered before it is durable, and forgotten by a crash', config: {} },
  floorOverUnknown: { story: 'a late ack of a lost lease that takes the records before it along', config: {} },
  leaseSeqReused: { story: 'lease sequences that come again after a crash', config: {} },
  orderLostOnNack: { story: 'a key that goes on while its nacked record waits', config: { order: 'key' } },
  dlqTwice: { story: 'a dead letter appended again because its answer was lost', config: {} },
  dlqDropped: { story: 'a dead letter that counts as appended though it failed', config: {} },
  rateForgotten: {
    story: 'a key that goes faster than its rate over a crash',
    config: { order: 'fair', keyRate: 2, keyRatePeriodMs: 10_000 },
  },
  delayForgotten: { story: 'a far delay that is not stored', config: {} },
}

for (const [mutant, { story, config }] of Object.entries(STORIES)) {
  t.test(`Queue mutant ${mutant}: found (${story})`, async t => {
    const { failed, error } = findsIt(config, mutant as Mutant)
    t.ok(failed, `the model notices: ${error}`)
    t.notOk(findsIt(config, null).failed, 'and nothing without it')
  })
}

t.test('Queue mutant dedupForgotten: found (ids that a restart does not read back from the log)', async t => {
  const lifeOf = (forgets: boolean) => fc.property(dedupStepsOf(60), fc.boolean(), (steps, untilSettled) => {
    const life = new DedupLife({ untilSettled, forgets })
    for (const step of steps) life.run(step)
  })
  const check = (forgets: boolean): boolean =>
    fc.check(lifeOf(forgets), { seed: 5, numRuns: 300, endOnFailure: true }).failed
  t.ok(check(true), 'the model notices')
  t.notOk(check(false), 'and nothing without it')
})
