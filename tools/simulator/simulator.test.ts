// A short part of what `npm run sim` does: seeds that must pass, twice with the same outcome, and see everything
// happen; and mutants that must not.

import t from 'tap'
import { MUTANTS } from './mutants.js'
import { simulate } from './simulate.js'

const SEEDS = 24

/** What has to happen in so many seeds, or they prove nothing. */
const COVERAGE = [
  'new-epoch', 'promise', 'fenced', 'pull', 'pulled', 'begin-epoch', 'fetch', 'fetched', 'durable-ack',
  'commit', 'ack', 'read', 'open', 'truncate', 'kill', 'power-cut', 'wipe', 'refused',
  'role follow', 'role recover', 'role lead', 'report damaged', 'report mended', 'delete', 'log-start', 'fetched diverge', 'fetched restart',
  'fault pause', 'fault cut', 'fault asymmetric', 'fault flip', 'fault diskError', 'fault diskFull',
  'fault controlOutage', 'fault reconfigure', 'fault falseSuspicion', 'fault clockJump', 'fault allDown',
  'aimed at commit', 'aimed at promise', 'aimed at activation', 'aimed at append',
]

t.test('Simulation: no invariant breaks, all heals, the outcome is the same each time, and everything was there', async t => {
  const counts = new Map<string, number>()
  let ackCount = 0
  for (let seed = 1; seed <= SEEDS; seed++) {
    const result = await simulate({ seed })
    t.equal(result.violation, null, `seed ${seed}; replay: npm run sim -- --seed ${seed}`)
    // What is kept to be read changes nothing.
    const again = await simulate({ seed, trace: true })
    t.equal(again.hash, result.hash, `seed ${seed} once more`)
    t.equal(again.eventCount, result.eventCount)
    ackCount += result.ackCount
    for (const [kind, count] of result.counts) counts.set(kind, (counts.get(kind) ?? 0) + count)
  }
  t.same(COVERAGE.filter(kind => !counts.has(kind)), [], 'all of it happened')
  t.ok(ackCount > 1_000, `${ackCount} acknowledged`)
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
