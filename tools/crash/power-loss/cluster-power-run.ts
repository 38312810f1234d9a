// A cluster under load whose machines lose power, one by one and all at once, and everything it said held against it.
//
//   load       ██████████████████████████████████████████████  producers and group members, at all three brokers
//   broker 1   ███████ ⚡ ▁███████████████ ⚡ ▁▁▁██████████████  one loses power …
//   broker 2   ██████████████████ ⚡ ▁████ ⚡ ▁██████ ⚡ ▁▁██████  … or two, so that no majority is left …
//   broker 3   ██████████████████ ⚡ ▁████ ⚡ ▁▁▁█████████████████  … or all of them, at the same moment
//   checker             └ reads on        └ reads on          └ … and at the end all of it from the start
//
// While a majority is there the load goes on; where none is, it waits. The control store keeps its power: what becomes
// of it is the business of etcd, whose members sync as well.

import { setTimeout as delay } from 'node:timers/promises'
import { connect, string, type Client } from '@sluice/client'
import { ClientGroupMember } from '../client-group-member.js'
import { ClientProducerLoad, type ClientProducerSetup } from '../client-producer-load.js'
import { GroupHistory } from '../group-history.js'
import { History } from '../history.js'
import { topicIds } from '../read-partition.js'
import { SeededRandom } from '../seeded-random.js'
import { WirePeer } from '../wire-peer.js'
import { isPassing } from '../wire-producer-load.js'
import { PowerLossCluster } from './power-loss-cluster.js'

export interface ClusterPowerOptions {
  /** How often power is lost at least. */
  readonly rounds: number
  readonly seed: number
  /** Folder for all data; it is left as it is at the end. */
  readonly folder: string
  /** Default 3. */
  readonly brokers?: number
  /** Topics are acknowledged before they are synced: a mistake to be noticed; the run ends with the first violation. */
  readonly unsyncedTopics?: boolean
  readonly say?: (line: string) => void
}

export interface ClusterPowerReport {
  readonly seed: number
  readonly rounds: number
  /** Machines that have lost power, added up. */
  readonly powerLosses: number
  /** How often all of them did at once, the end of the run included. */
  readonly blackouts: number
  readonly lostChanges: number
  readonly sent: number
  readonly acknowledged: number
  readonly checked: number
  readonly delivered: number
  readonly violations: readonly string[]
}

const TOPICS = [
  { name: 'orders', partitions: 4, config: {} },
  { name: 'events', partitions: 2, config: { 'segment.bytes': 128 * 1024 } },
] as const

const BROKER_OPTIONS = { 'checkpoint-interval': '300ms', 'log-level': 'info' } as const
const TEXT = { key: string(), value: string() }
const PRODUCERS: readonly ClientProducerSetup[] = [
  { topic: 'orders', keyed: true, idempotent: true, burstMax: 200, pauseMsMax: 10 },
  { topic: 'orders', keyed: false, idempotent: true, burstMax: 1, pauseMsMax: 2, producer: { deliveryTimeoutMs: 400 } },
  { topic: 'events', keyed: true, idempotent: true, burstMax: 60, pauseMsMax: 5, producer: { batchBytes: 4096 } },
  { topic: 'events', keyed: false, idempotent: false, burstMax: 30, pauseMsMax: 5 },
]
const SETTLE_MS_MAX = 90_000
const RETRY_MS = 50

/** Runs it; violations are in the report. @throws where a broker does not come back, or the cluster does not settle. */
export async function clusterPowerRun (options: ClusterPowerOptions): Promise<ClusterPowerReport> {
  const { folder, brokers = 3 } = options
  await using machines = await PowerLossCluster.start({ folder, brokers, options: BROKER_OPTIONS })
  return await new ClusterPowerRun(machines, options).run()
}

class ClusterPowerRun {
  private readonly machines: PowerLossCluster
  private readonly options: ClusterPowerOptions
  private readonly random: SeededRandom
  private readonly history = new History({ isOfCluster: true })
  private readonly clients: Client[] = []
  private readonly producers: ClientProducerLoad[] = []
  private readonly members: ClientGroupMember[] = []
  private readonly reader: Client
  private group!: GroupHistory
  private ids = new Map<string, string>()
  private powerLosses = 0
  private blackouts = 0
  private lostChanges = 0

  constructor (machines: PowerLossCluster, options: ClusterPowerOptions) {
    this.machines = machines
    this.options = options
    this.random = new SeededRandom(options.seed)
    this.reader = this.connect()
  }

  async run (): Promise<ClusterPowerReport> {
    const { options: { rounds, seed, unsyncedTopics = false }, history } = this
    try {
      await this.createTopics()
      this.beginLoad()
      for (let round = 1; round <= rounds; round++) {
        await this.round(round)
        if (unsyncedTopics && history.violations.length > 0) break
      }
      if (!unsyncedTopics) await this.finish()
    } finally {
      await Promise.allSettled(this.clients.map(client => client.close({ drainTimeoutMs: 0 })))
      // Where the run was cut short: nobody goes on with a client that is closed.
      await Promise.allSettled([...this.producers, ...this.members].map(load => load.stop()))
    }
    const { powerLosses, blackouts, lostChanges, group: { delivered } } = this
    const { sent, acknowledged, checked, violations } = history
    return { seed, rounds, powerLosses, blackouts, lostChanges, sent, acknowledged, checked, delivered, violations }
  }

  private async createTopics (): Promise<void> {
    const flush: Record<string, string> = this.options.unsyncedTopics === true ? { flush: 'none' } : {}
    for (const { name, partitions, config } of TOPICS) {
      await this.reader.admin.createTopic(name, { partitions, replicas: 3, config: { ...config as object, ...flush } })
      this.history.addTopic(name, partitions)
    }
    await this.withPeer(async peer => { this.ids = await topicIds(peer, TOPICS.map(({ name }) => name)) })
  }

  private connect (): Client {
    const brokers = this.machines.cluster.addresses
    const client = connect({ brokers, retry: { initialDelayMs: 20, maxDelayMs: 200 } })
    this.clients.push(client)
    return client
  }

  private beginLoad (): void {
    const { history, random } = this
    for (const setup of PRODUCERS) {
      this.producers.push(new ClientProducerLoad(this.connect(), history, random.split(), setup))
    }
    const { name, partitions } = TOPICS[0]
    this.group = new GroupHistory(history, 'billing', name, partitions)
    for (let member = 0; member < 2; member++) {
      this.members.push(new ClientGroupMember(this.connect(), history, this.group, random.split()))
    }
  }

  private async round (round: number): Promise<void> {
    const { random, machines, history } = this
    await delay(random.between(300, 1_500))
    const down = this.chooseMachines()
    const reports = await machines.powerLoss(down, random)
    this.powerLosses += down.length
    if (down.length === machines.cluster.brokers.length) this.blackouts++
    const lost = reports.reduce((sum, { lostWrites, lostNames }) => sum + lostWrites + lostNames, 0)
    this.lostChanges += lost
    const before = history.checked
    // Without one the others go on: what is there then was acknowledged by a majority that has power.
    if (down.length === 1 && random.chance(0.5)) await this.readOn(0)
    await delay(random.between(0, 300))
    await machines.start(down)
    await this.readOn(0.1)
    const violations = history.violations.length === 0 ? '' : `, ${history.violations.length} VIOLATIONS`
    const styles = reports.map(({ style }) => style).join(', ')
    this.options.say?.(`round ${round}: power lost at ${down.join(', ')} (${styles}), ` +
      `${lost} changes lost, ${history.acknowledged} acknowledged, ${history.checked - before} checked${violations}`)
  }

  private chooseMachines (): number[] {
    const { random, machines } = this
    const ids = machines.cluster.brokers.map((_, index) => index + 1)
    const drawn = random.next()
    if (drawn < 0.4) return ids
    const majority = Math.floor(ids.length / 2) + 1
    const count = drawn < 0.6 ? majority : 1
    while (ids.length > count) ids.splice(random.between(0, ids.length), 1)
    return ids
  }

  /** Reads what is new in every partition, and with a chance of `again` a topic from its start; looks at commits. */
  private async readOn (again: number): Promise<void> {
    const { history, random, reader, group } = this
    for (const { name, partitions } of TOPICS) {
      const places = Array.from({ length: partitions }, (_, index) => history.partition(name, index))
      const promised = places.map(({ promisedEnd }) => promisedEnd)
      const isAgain = random.chance(again)
      const from = Object.fromEntries(places.map(({ partition, readEnd }) => [partition, isAgain ? 0 : readEnd]))
      const signal = AbortSignal.timeout(SETTLE_MS_MAX)
      for await (const { partition, offset, key, value } of reader.topic(name, TEXT).read({ from, to: 'end', signal })) {
        history.onRead(name, partition, { offset, key, value })
      }
      for (const { label, partition, readEnd } of places) {
        if (readEnd >= promised[partition]!) continue
        history.report(`${label} ends at ${readEnd}; up to ${promised[partition]} records were acknowledged or read`)
      }
    }
    await this.withPeer(peer => group.checkCommitted(peer, this.ids.get(group.topic)!))
  }

  /** Asks any broker that is there, again and again until there is an answer. */
  private async withPeer (ask: (peer: WirePeer) => Promise<void>): Promise<void> {
    const { brokers } = this.machines.cluster
    const deadlineMs = performance.now() + SETTLE_MS_MAX
    for (;;) {
      try {
        await using peer = await WirePeer.connect(this.random.pick(brokers.filter(({ isGone }) => !isGone)).port)
        return await ask(peer)
      } catch (error) {
        if (!isPassing(error) || performance.now() > deadlineMs) throw error
        await delay(RETRY_MS)
      }
    }
  }

  private async finish (): Promise<void> {
    const { producers, members, group, history, machines } = this
    await Promise.all(producers.map(producer => producer.stop()))
    await this.readOn(0)
    const deadlineMs = performance.now() + SETTLE_MS_MAX
    while (!group.isCaughtUp && performance.now() < deadlineMs) await delay(RETRY_MS)
    await Promise.all(members.map(member => member.stop()))
    // The last time for all: what is on the disks is all there is.
    const all = machines.cluster.brokers.map((_, index) => index + 1)
    await machines.powerLoss(all, this.random)
    this.powerLosses += all.length
    this.blackouts++
    await machines.start(all)
    await this.readOn(1)
    history.checkComplete()
    group.checkComplete()
  }
}
