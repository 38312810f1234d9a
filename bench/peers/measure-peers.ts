// Measures Sluice beside what a user would pick in its place, in turns, in one run.
//
//   for each workload:  for each round:  sluice ─ bare loop ─ peer ─ peer ─ …
//
// A peer that is not here, or fails, is left out of the workload with the reason; Sluice has to work.

import os from 'node:os'
import { BenchError } from '../bench-error.js'
import { contendersOf, RUN_DEFAULTS, type RunSettings } from '../bench-run.js'
import type { ServerUsage } from '../measure/external-probe.js'
import { describeMachine, describeSource } from '../measure/machine.js'
import { SLUICE } from '../summarize.js'
import { takeSample, type Contender } from '../take-sample.js'
import { peerRows } from './peer-rows.js'
import { peerOf, type PeerName } from './peer-table.js'
import { PEER_WORKLOADS, withHandlers, type PeerWorkloadName } from './peer-workloads.js'
import { PEERS_FORMAT, type PeerFacts, type PeersResult, type PeerWorkloadResult, type SkippedPeer } from './peers-result.js'
import { findPeer, startPeer, type ReadyPeer } from './servers/start-peer.js'

/** What to compare. */
export interface PeersOptions {
  readonly peers: readonly PeerName[]
  readonly workloads: readonly PeerWorkloadName[]
  /** Folder with the client libraries. */
  readonly libraries: string
}

/** How it is measured; `onSample` is given the result after each sample, so that it can be kept. */
export interface PeersSettings extends Pick<
  RunSettings, 'rounds' | 'warmupMs' | 'durationMs' | 'count' | 'folder' | 'brokerOptions' | 'brokers' | 'onProgress'
> {
  readonly onSample?: (result: PeersResult) => Promise<void>
}

interface PeerContender extends Contender<ServerUsage | null> { readonly facts: PeerFacts }

/** Name of the contender that empties a queue by handlers. */
const SLUICE_WORK = 'sluice work'
/** Time for a server to start and to be filled, and for a driver to end: one that hangs is given up. */
const SAMPLE_TIMEOUT_MS = 60_000

/**
 * Measures; what `earlier` has already is taken from there.
 *
 * @throws BenchError where no peer is here, or Sluice itself fails.
 */
export async function measurePeers (
  options: PeersOptions, settings: PeersSettings, earlier: PeersResult | null = null,
): Promise<PeersResult> {
  const ready: ReadyPeer[] = []
  const missing: (SkippedPeer & { contender: PeerName })[] = []
  for (const name of options.peers) {
    const found = settings.brokers > 1 && peerOf(name).isReplicated !== true
      ? { missing: 'it is no cluster that acknowledges by a majority' }
      : await findPeer(name, options.libraries)
    if ('missing' in found) missing.push({ contender: name, title: peerOf(name).title, reason: found.missing })
    else ready.push(found)
  }
  if (ready.length === 0 && missing.length > 0) {
    throw new BenchError(2, `no peer can be measured here: ${missing.map(({ title, reason }) => `${title}: ${reason}`).join('; ')}`)
  }
  const { rounds, warmupMs, durationMs, brokers } = settings
  const machine = await describeMachine(settings.folder)
  const workloads = earlier?.workloads ?? []
  const result: PeersResult = { format: PEERS_FORMAT, rounds, warmupMs, durationMs, brokers, machine, workloads }
  for (const name of options.workloads) {
    const work = await workloadResult(result, name)
    const does = (peer: PeerName): boolean => peerOf(peer).workloads.includes(work.workload.name)
    work.skipped = missing.filter(({ contender }) => does(contender))
    const contenders = contendersFor(name, ready.filter(peer => does(peer.name)), options, settings)
    await measureWorkload(result, work, contenders, settings)
  }
  return result
}

async function workloadResult (result: PeersResult, name: PeerWorkloadName): Promise<PeerWorkloadResult> {
  const earlier = result.workloads.find(work => work.name === name)
  if (earlier !== undefined) return earlier
  const work: PeerWorkloadResult = {
    name,
    workload: PEER_WORKLOADS[name],
    startedAt: new Date().toISOString(),
    loadAverageAtStart: os.loadavg()[0]!,
    source: await describeSource(),
    samples: [],
    contenders: [],
    rows: [],
    skipped: [],
  }
  result.workloads.push(work)
  return work
}

async function measureWorkload (
  result: PeersResult, work: PeerWorkloadResult, contenders: readonly PeerContender[], settings: PeersSettings,
): Promise<void> {
  const known = work.contenders.filter(facts => !contenders.some(({ name }) => name === facts.contender))
  work.contenders = [...contenders.map(({ facts }) => facts), ...known]
  const failed = new Set<string>()
  const sampleSettings = { ...settings, timeoutMs: SAMPLE_TIMEOUT_MS }
  for (let round = 1; round <= settings.rounds; round++) {
    for (const contender of contenders) {
      const isThere = work.samples.some(sample => sample.round === round && sample.contender === contender.name)
      if (isThere || failed.has(contender.name)) continue
      settings.onProgress?.(`${work.name}: round ${round} of ${settings.rounds}, ${contender.facts.title}`)
      try {
        const { sample } = await takeSample(contender, sampleSettings, round)
        work.samples.push(sample)
      } catch (error) {
        if (contender.name.startsWith(SLUICE)) throw error
        failed.add(contender.name)
        const { name, facts: { title } } = contender
        work.skipped.push({ contender: name, title, reason: firstLine(error as Error) })
      }
      work.samples = work.samples.filter(sample => !failed.has(sample.contender))
      work.rows = peerRows(work.workload, work.contenders, work.samples)
      await settings.onSample?.(result)
    }
  }
}

function contendersFor (
  name: PeerWorkloadName, ready: readonly ReadyPeer[], { libraries }: PeersOptions, settings: PeersSettings,
): PeerContender[] {
  const workload = PEER_WORKLOADS[name]
  const run: RunSettings = { ...RUN_DEFAULTS, ...settings, bare: ['overlap'] }
  const own = contendersOf(workload, run)
    .map((contender): PeerContender => ({ ...contender, facts: factsOf(contender.name, settings.brokers) }))
  if (workload.name === 'queue') {
    const facts = factsOf(SLUICE_WORK, settings.brokers)
    own.splice(1, 0, { ...own[0]!, name: SLUICE_WORK, workload: withHandlers(workload), facts })
  }
  return [...own, ...ready.map((peer): PeerContender => ({
    name: peer.name,
    workload,
    start: folder => startPeer(peer, libraries, settings.brokers, folder),
    facts: peerFacts(peer, workload.name === 'queue'),
  }))]
}

/** Of Sluice, as a cluster or one broker, and the bare loop. */
function factsOf (contender: string, brokers: number): PeerFacts {
  const ofSluice = brokers === 1 ? 'Sluice' : `Sluice, ${brokers} brokers`
  const title = { [SLUICE]: ofSluice, [SLUICE_WORK]: `${ofSluice}, work` }[contender]
  const isCluster = title !== undefined && brokers > 1
  const durability = isCluster ? 'synced by a majority' : 'synced before the ack'
  return { contender, title: title ?? contender, versions: null, durability, isSynced: true }
}

/** Taking from a queue is durable when the acks are, which is another matter than for records that are sent. */
function peerFacts ({ name, versions }: ReadyPeer, isQueue: boolean): PeerFacts {
  const { title, stored, settled } = peerOf(name)
  const { means, isSynced } = isQueue && settled !== undefined ? settled : stored
  return { contender: name, title, versions, durability: means, isSynced }
}

function firstLine ({ message }: Error): string {
  return message.split('\n', 1)[0]!
}
