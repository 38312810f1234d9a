// How long partitions go without an acknowledged record when their leader fails, round by round.
//
//   cluster starts ─ topic ─ pulse │ settle ─ fault ─ all partitions back ─ mended ─ all replicas there │ …
//
// The broker that leads most is hit: with two rounds more than one it leads half of all partitions from the second on,
// since leadership does not come back by itself. A cluster that is there already is watched only.

import os from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { connect, type Client } from '@sluice/client'
import { BenchError } from '../bench-error.js'
import { describeMachine, describeSource } from '../measure/machine.js'
import { BenchCluster } from '../process/bench-cluster.js'
import { Child } from '../process/child.js'
import { withScratchFolder } from '../process/scratch-folder.js'
import { spread } from '../summarize.js'
import {
  FAILOVER_FORMAT, gapSpread, type FailoverPlan, type FailoverResult, type FailoverRound,
} from './failover-result.js'
import { wallMs } from './partition-pulse.js'
import type { PulseCalls, PulseRound } from './pulse-calls.js'

export interface FailoverSettings {
  /** Folder for the data of the brokers. */
  readonly folder: string
  readonly brokers: number
  readonly brokerOptions: Readonly<Record<string, string>>
  readonly profileDirectory?: string
  readonly onProgress?: (text: string) => void
}

/** Records come for so long before a fault, and after the last partition is back. */
const SETTLE_MS = 1_000
const POLL_MS = 20
/** A round in which a partition is not back by then has failed. */
const ROUND_TIMEOUT_MS = 60_000
const CREATE_TIMEOUT_MS = 60_000

/** What a round needs. */
interface Trial {
  readonly plan: FailoverPlan
  readonly topic: string
  readonly client: Client
  readonly pulse: Child<PulseCalls>
}

/** Starts a cluster and lets its brokers fail. @throws BenchError where it does not come back. */
export async function measureFailover (plan: FailoverPlan, settings: FailoverSettings): Promise<FailoverResult> {
  const { brokers, folder, onProgress } = settings
  return await withScratchFolder(folder, async scratch => {
    onProgress?.(`failover: starting ${brokers} brokers`)
    const cluster = await BenchCluster.start({ ...settings, folder: scratch })
    try {
      return await measureCluster(plan, cluster, settings)
    } finally {
      await cluster.stop()
    }
  })
}

/** Lets the brokers of a cluster fail that is there; in the end all of them run. @throws BenchError, see above. */
export async function measureCluster (
  plan: FailoverPlan, cluster: BenchCluster, settings: FailoverSettings,
): Promise<FailoverResult> {
  return await measure(plan, cluster.addresses, settings, (trial, round) => hitRound(trial, cluster, round))
}

/** Watches a cluster that is there; a round lasts for `roundMs`. */
export async function watchFailover (
  plan: FailoverPlan, addresses: readonly string[], roundMs: number, onProgress?: (text: string) => void,
): Promise<FailoverResult> {
  const progress = onProgress === undefined ? {} : { onProgress }
  return await measure(plan, addresses, { folder: os.tmpdir(), brokers: null, ...progress },
    (trial, round) => watchRound(trial, round, roundMs))
}

async function measure (
  plan: FailoverPlan, addresses: readonly string[],
  settings: { folder: string, brokers: number | null, onProgress?: (text: string) => void },
  runRound: (trial: Trial, round: number) => Promise<FailoverRound>,
): Promise<FailoverResult> {
  const startedAt = new Date().toISOString()
  const loadAverageAtStart = os.loadavg()[0]!
  const topic = `bench-failover-${Date.now().toString(36)}`
  await using client = connect({ brokers: [...addresses], clientId: 'sluice-bench' })
  const { partitions, replicas, rate, size } = plan
  settings.onProgress?.(`failover: creating ${partitions} partitions`)
  await client.admin.createTopic(topic,
    { partitions, ...(replicas === null ? {} : { replicas }), timeoutMs: CREATE_TIMEOUT_MS })
  const pulse = new Child<PulseCalls>('pulse-main.js', [])
  const rounds: FailoverRound[] = []
  try {
    await pulse.call('prepare', { addresses, topic, partitions, rate, size })
    await pulse.call('start', null)
    for (let round = 1; round <= plan.rounds; round++) {
      settings.onProgress?.(`failover: round ${round} of ${plan.rounds}`)
      rounds.push(await runRound({ plan, topic, client, pulse }, round))
    }
    await pulse.call('stop', null)
  } finally {
    await pulse.stop()
    await client.admin.deleteTopic(topic).catch(() => {})
  }
  const backs = rounds.flatMap(({ backAfterMs }) => backAfterMs === null ? [] : [backAfterMs.max])
  return {
    format: FAILOVER_FORMAT,
    startedAt,
    plan,
    brokers: settings.brokers,
    machine: await describeMachine(settings.folder),
    loadAverageAtStart,
    source: await describeSource(),
    rounds,
    gapMsMedian: spread(rounds.map(({ gapMs }) => gapMs.median)),
    gapMsMax: spread(rounds.map(({ gapMs }) => gapMs.max)),
    backAfterMsMax: backs.length === 0 ? null : spread(backs),
    failedRecords: rounds.reduce((sum, { failures }) => sum + failures.length, 0),
  }
}

async function hitRound (trial: Trial, cluster: BenchCluster, round: number): Promise<FailoverRound> {
  const { plan: { fault }, pulse, client } = trial
  const { victim, led } = await mostLeading(trial)
  await pulse.call('beginRound', null)
  await delay(SETTLE_MS)
  const faultMs = wallMs()
  let stopMs: number | null = null
  if (fault === 'kill') await cluster.killBroker(victim)
  else if (fault === 'freeze') cluster.signal(victim, 'SIGSTOP')
  else {
    await cluster.stopBroker(victim)
    stopMs = wallMs() - faultMs
  }
  // What was acknowledged while it handed over says nothing about who leads now: what is sent after its end does.
  await pulse.call('noteFault', { atMs: fault === 'stop' ? faultMs + stopMs! : faultMs, partitions: led })
  await allBack(pulse, led)
  await delay(SETTLE_MS)
  const outcome = await pulse.call('endRound', null)
  if (fault === 'freeze') cluster.signal(victim, 'SIGCONT')
  else await cluster.startBroker(victim)
  await allThere(client)
  return toRound(round, victim, led, outcome, stopMs, fault !== 'stop')
}

async function watchRound ({ plan, pulse }: Trial, round: number, roundMs: number): Promise<FailoverRound> {
  await pulse.call('beginRound', null)
  await delay(roundMs)
  const all = Array.from({ length: plan.partitions }, (_, partition) => partition)
  return toRound(round, -1, all, await pulse.call('endRound', null), null, false)
}

/** The broker that leads most partitions, and which. */
async function mostLeading ({ client, topic }: Trial): Promise<{ victim: number, led: number[] }> {
  const { partitions } = await client.admin.describeTopic(topic)
  const byLeader = new Map<number, number[]>()
  for (const { partition, leader } of partitions) {
    const led = byLeader.get(leader)
    if (led === undefined) byLeader.set(leader, [partition])
    else led.push(partition)
  }
  const [victim, led] = [...byLeader].sort(([, a], [, b]) => b.length - a.length)[0]!
  return { victim, led }
}

async function allBack (pulse: Child<PulseCalls>, led: number[]): Promise<void> {
  const deadlineMs = performance.now() + ROUND_TIMEOUT_MS
  for (;;) {
    const { waiting } = await pulse.call('standing', { partitions: led })
    if (waiting === 0) return
    if (performance.now() >= deadlineMs) {
      throw new BenchError(1, `${waiting} of ${led.length} partitions acknowledge nothing ${ROUND_TIMEOUT_MS / 1000} s after the fault`)
    }
    await delay(POLL_MS)
  }
}

/** The broker is back, and its replicas too: the next one can be hit. */
async function allThere (client: Client): Promise<void> {
  const deadlineMs = performance.now() + ROUND_TIMEOUT_MS
  for (;;) {
    const { brokers, underReplicated, leaderless } = await client.admin.clusterStatus()
    if (underReplicated === 0 && leaderless === 0 && brokers.every(({ state }) => state === 'online')) return
    if (performance.now() >= deadlineMs) {
      throw new BenchError(1, `${underReplicated} partitions have not all of their replicas back ${ROUND_TIMEOUT_MS / 1000} s after the broker`)
    }
    await delay(POLL_MS)
  }
}

function toRound (
  round: number, victim: number, led: readonly number[], outcome: PulseRound, stopMs: number | null, hasDied: boolean,
): FailoverRound {
  const { longestGapMs, backAfterMs, acknowledged, failures } = outcome
  const isLed = new Set(led)
  return {
    round,
    victim,
    partitions: led.length,
    gapMs: gapSpread(led.map(partition => longestGapMs[partition]!)),
    backAfterMs: hasDied ? gapSpread(led.map(partition => backAfterMs[partition]!)) : null,
    othersGapMsMax: Math.max(0, ...longestGapMs.filter((_, partition) => !isLed.has(partition))),
    stopMs,
    acknowledged,
    failures,
  }
}
