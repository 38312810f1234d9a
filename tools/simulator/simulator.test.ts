// A short part of what `npm run sim` does: seeds that must pass, twice with the same outcome, and see everything
// happen; and mutants that must not.

import t from 'tap'
import { inTask } from './microtasks.js'
import { MUTANTS } from './mutants.js'
import { Simulation, type SimulationOptions, type SimulationResult } from './simulation.js'

const SEEDS = 24
const SEEDS_TWICE = 4

/** What has to happen in so many seeds, or they prove nothing. */
const COVERAGE = [
  'new-epoch', 'promise', 'fenced', 'pull', 'pulled', 'begin-epoch', 'fetch', 'fetched', 'durable-ack',
  'commit', 'ack', 'read', 'open', 'truncate', 'kill', 'power-cut', 'wipe', 'refused',
  'role follow', 'role recover', 'role lead', 'report damaged', 'report mended',
  'fault pause', 'fault cut', 'fault asymmetric', 'fault flip', 'fault diskError', 'fault diskFull',
  'fault controlOutage', 'fault reconfigure', 'fault allDown',
  'aimed at commit', 'aimed at promise', 'aimed at activation', 'aimed at append',
]

function simulate (options: SimulationOptions): Promise<SimulationResult> {
  return inTask(() => new Simulation(options).run())
}

t.test('Simulation: no invariant breaks, all heals, and every fault and message was there', async t => {
  const counts = new Map<string, number>()
  let ackCount = 0
  for (let seed = 1; seed <= SEEDS; seed++) {
    const result = await simulate({ seed })
    t.equal(result.violation, null, `seed ${seed}; replay: npm run sim -- --seed ${seed}`)
    ackCount += result.ackCount
    for (const [kind, count] of result.counts) counts.set(kind, (counts.get(kind) ?? 0) + count)
  }
  t.same(COVERAGE.filter(kind => !counts.has(kind)), [], 'all of it happened')
  t.ok(ackCount > 1_000, `${ackCount} acknowledged`)
})

t.test('Simulation: a seed has the same outcome each time', async t => {
  for (let seed = 1; seed <= SEEDS_TWICE; seed++) {
    const first = await simulate({ seed })
    const second = await simulate({ seed, trace: true })
    t.equal(second.hash, first.hash, `seed ${seed}`)
    t.equal(second.eventCount, first.eventCount)
  }
})

t.test('Simulation: mistakes that a quorum log must not make are noticed', async t => {
  // Those that a handful of seeds show; `npm run sim:mutants` plants all.
  const quick = ['ackBeforeFsync', 'noPromisePersist', 'minorityRecovery', 'truncToHw', 'commitOldEpoch', 'dupAckEarly']
  for (const name of quick) {
    const mutant = MUTANTS.find(each => each.name === name)!
    let isCaught = false
    for (let seed = 1; seed <= 12 && !isCaught; seed++) isCaught = (await simulate({ seed, mutant })).violation !== null
    t.ok(isCaught, name)
  }
})
