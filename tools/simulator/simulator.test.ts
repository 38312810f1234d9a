// A short part of what `npm run sim` does: seeds that must pass, twice with the same outcome, and see everything
// happen; and mutants that must not.

import t from 'tap'
import { MUTANTS } from './mutants.js'
import { simulate } from './simulate.js'
import type { SwarmOptions } from './swarm-options.js'

const SEEDS = 26

/** What has to happen in so many seeds, or they prove nothing. */
const COVERAGE = [
  'new-epoch', 'promise', 'fenced', 'pull', 'pulled', 'begin-epoch', 'fetch', 'fetched', 'durable-ack',
  'commit', 'ack', 'read', 'open', 'truncate', 'kill', 'power-cut', 'wipe', 'refused',
  'role follow', 'role recover', 'role lead', 'report damaged', 'report mended', 'delete', 'fetched diverge',
  'fault pause', 'fault cut', 'fault asymmetric', 'fault flip', 'fault diskError', 'fault diskFull',
  'fault readError', 'not opened DiskError',
  'fault controlOutage', 'fault reconfigure', 'fault falseSuspicion', 'fault clockJump', 'fault allDown',
  'aimed at commit', 'aimed at promise', 'aimed at activation', 'aimed at append',
  'granted', 'heartbeat', 'settle ack 0', 'settle ack 1', 'settle ack 2', 'settle nack 0', 'settle release 0',
  'offset committed', 'offset read', 'dead letter', 'state compared',
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

t.test('Simulation: followers that come behind the start of the log begin anew there', async t => {
  // What seldom comes by itself: small segments, of which few are kept, and disks that are lost.
  const adjust = (options: SwarmOptions): SwarmOptions => ({
    ...options, groups: null, retentionBytes: 1_000, segmentBytes: 4_096, meanMs: { ...options.meanMs, wipe: 3_000 },
  })
  let restarts = 0
  let starts = 0
  for (let seed = 1; seed <= 6; seed++) {
    const result = await simulate({ seed, adjust })
    t.equal(result.violation, null, `seed ${seed}`)
    restarts += result.counts.get('fetched restart') ?? 0
    starts += result.counts.get('log-start') ?? 0
  }
  t.ok(restarts > 0, `${restarts} times`)
  t.ok(starts > 0, 'for logs were cut off below')
})

t.test('Simulation: with asynchronous replication nothing is lost but with a leader, and nothing comes out of order', async t => {
  const adjust = (options: SwarmOptions): SwarmOptions => ({
    ...options,
    groups: null,
    isAsync: true,
    producers: 3,
    meanMs: { ...options.meanMs, powerCut: 1_000, cut: 800, wipe: 2_500 },
  })
  let begunAnew = 0
  let lost = 0
  for (let seed = 1; seed <= 8; seed++) {
    const result = await simulate({ seed, adjust })
    t.equal(result.violation, null, `seed ${seed}`)
    begunAnew += result.counts.get('producer anew') ?? 0
    lost += result.counts.get('lost with a leader') ?? 0
  }
  t.ok(begunAnew > 0, `producers began anew ${begunAnew} times`)
  t.ok(lost > 0, `partitions that have lost something: ${lost}`)
})

/** Those that a handful of seeds show; `npm run sim:mutants` plants all. */
const QUICK = [
  'ackBeforeFsync', 'noPromisePersist', 'minorityRecovery', 'truncToHw', 'commitOldEpoch', 'dupAckEarly',
  'settleBeforeCommit', 'leaseSeqReused', 'orderLostOnNack', 'delayForgotten', 'dedupForgotten',
]

t.test('Simulation: mistakes that a quorum log and a queue must not make are noticed', async t => {
  for (const name of QUICK) {
    const mutant = MUTANTS.find(each => each.name === name)!
    let isCaught = false
    for (let seed = 1; seed <= 12 && !isCaught; seed++) isCaught = (await simulate({ seed, mutant })).violation !== null
    t.ok(isCaught, name)
  }
})
