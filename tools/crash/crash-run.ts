// A broker under load that is killed again and again, and everything it said held against it.
//
//   load        ████████████████████████████████████████████████████████  producers and group members never stop
//   broker      ██████████ ✗  ▁▁████████████ ✗ ▁✗ ▁▁▁██████████ ✗  ▁▁███  SIGKILL; at times again during the restart
//                                                                         or power loss: what was not synced goes too
//   folder                 ↑ at times damaged while nobody uses it
//   checker                      └ reads on         └ reads on        └ … and at the end all of it from the start
//
// At the end the load stops, the groups catch up, the broker is stopped with SIGTERM, started once more, and read from
// the first record to the last.

import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connect, type Client } from '@sluice/client'
import { BrokerProcess, chooseLastingPort, type BrokerExit } from './broker-process.js'
import { ClientGroupMember } from './client-group-member.js'
import { ClientProducerLoad } from './client-producer-load.js'
import { META_DAMAGE, TAIL_DAMAGE, copyMeta, damageMeta, damageTail } from './damage.js'
import { GroupHistory } from './group-history.js'
import { History } from './history.js'
import { PowerLossDisk } from './power-loss/power-loss-disk.js'
import { readPartition, topicIds } from './read-partition.js'
import { SeededRandom } from './seeded-random.js'
import { WireGroupMember } from './wire-group-member.js'
import { WirePeer } from './wire-peer.js'
import { WireProducerLoad } from './wire-producer-load.js'

export interface CrashRunOptions {
  /** How often the broker is killed at least. */
  readonly rounds: number
  readonly seed: number
  /** Folder for the data; it is left as it is at the end. */
  readonly folder: string
  /** Damage the folder between some rounds. Default true. */
  readonly damage?: boolean
  /** With each kill the machine loses power: what was not synced is lost, or part of it. Default false. */
  readonly powerLoss?: boolean
  /** A mistake to be noticed; the run ends with the first violation. For tests of this run. */
  readonly mutant?: CrashMutant
  /** Told what happens, a line at a time. */
  readonly say?: (line: string) => void
}

/** Topics that are acknowledged before they are synced; a disk that says it has synced and has not. */
export const CRASH_MUTANTS = ['unsynced-topics', 'lying-disk'] as const
export type CrashMutant = typeof CRASH_MUTANTS[number]

export interface CrashReport {
  readonly seed: number
  readonly rounds: number
  /** Kills, those during a restart included. */
  readonly kills: number
  /** Changes of files and names that power losses have taken back. */
  readonly lostChanges: number
  readonly sent: number
  readonly acknowledged: number
  /** Records compared with what they should be, re-reads included. */
  readonly checked: number
  readonly delivered: number
  readonly commits: number
  /** Longest time from the start of the process to its ready line, in milliseconds. */
  readonly startMsMax: number
  readonly violations: readonly string[]
}

interface Load { stop (): Promise<void> }

const TOPICS = [
  { name: 'orders', partitions: 4, config: {} },
  { name: 'events', partitions: 2, config: { 'segment.bytes': 128 * 1024 } },
  { name: 'metrics', partitions: 1, config: { flush: 'interval', 'flush.interval.ms': 200 } },
] as const

const BROKER_OPTIONS = { 'checkpoint-interval': '300ms', 'log-level': 'info' } as const
const CATCH_UP_MS = 60_000
const LAST_WORDS_MS = 50

/** Runs it; violations are in the report. @throws where the broker does not come back. */
export async function crashRun (options: CrashRunOptions): Promise<CrashReport> {
  const run = new CrashRun(options)
  return await run.run()
}

class CrashRun {
  private readonly options: CrashRunOptions
  private readonly say: (line: string) => void
  private readonly random: SeededRandom
  private readonly history = new History()
  private readonly groups: GroupHistory[] = []
  private readonly members: Load[] = []
  private readonly producers: Load[] = []
  private readonly clients: Client[] = []
  private readonly data: string
  private readonly olderMeta: string
  private disk: PowerLossDisk | null = null
  private hasOlderMeta = false
  private port = 0
  private broker!: BrokerProcess
  private ids = new Map<string, string>()
  private kills = 0
  private lostChanges = 0
  private startMsMax = 0

  constructor (options: CrashRunOptions) {
    this.options = options
    this.say = options.say ?? (() => {})
    this.random = new SeededRandom(options.seed)
    this.data = join(options.folder, 'data')
    this.olderMeta = join(options.folder, 'older-meta')
  }

  async run (): Promise<CrashReport> {
    const { rounds, seed, powerLoss = false, mutant } = this.options
    this.port = await chooseLastingPort()
    if (powerLoss) this.disk = await PowerLossDisk.open(this.data, { lies: mutant === 'lying-disk' })
    await this.start()
    try {
      await this.createTopics()
      this.beginLoad()
      for (let round = 1; round <= rounds; round++) {
        await this.round(round)
        if (mutant !== undefined && this.history.violations.length > 0) break
      }
      if (mutant === undefined) await this.finish()
    } finally {
      await this.broker.kill()
      await Promise.allSettled(this.clients.map(client => client.close({ drainTimeoutMs: 0 })))
    }
    const { history, groups, kills, lostChanges, startMsMax } = this
    return {
      seed,
      rounds,
      kills,
      lostChanges,
      sent: history.sent,
      acknowledged: history.acknowledged,
      checked: history.checked,
      delivered: groups.reduce((sum, group) => sum + group.delivered, 0),
      commits: groups.reduce((sum, group) => sum + group.commits, 0),
      startMsMax: Math.round(startMsMax),
      violations: history.violations,
    }
  }

  private async start (): Promise<void> {
    this.broker = this.spawn()
    this.startMsMax = Math.max(this.startMsMax, await this.broker.ready)
  }

  private spawn (): BrokerProcess {
    const { data, port, disk } = this
    return new BrokerProcess({ data, port, options: BROKER_OPTIONS, environment: disk?.environment ?? {} })
  }

  private async createTopics (): Promise<void> {
    const client = this.connect()
    const { mutant, powerLoss = false } = this.options
    // An interval between syncs is an interval that a power loss may take.
    const flush: Record<string, string> = mutant === 'unsynced-topics' ? { flush: 'none' } : powerLoss ? { flush: 'sync' } : {}
    for (const { name, partitions, config } of TOPICS) {
      await client.admin.createTopic(name, { partitions, config: { ...config as object, ...flush } })
      this.history.addTopic(name, partitions)
    }
    await using peer = await WirePeer.connect(this.port)
    this.ids = await topicIds(peer, TOPICS.map(({ name }) => name))
  }

  private connect (): Client {
    const client = connect({ brokers: [`127.0.0.1:${this.port}`], retry: { initialDelayMs: 20, maxDelayMs: 200 } })
    this.clients.push(client)
    return client
  }

  private beginLoad (): void {
    const { history, random, port } = this
    const viaClient = (setup: ConstructorParameters<typeof ClientProducerLoad>[3]): void => {
      this.producers.push(new ClientProducerLoad(this.connect(), history, random.split(), setup))
    }
    const viaWire = (topic: typeof TOPICS[number], recordsPerBatchMax: number, keyed: boolean): void => {
      const { name, partitions } = topic
      const codecs = ['none', 'none', 'gzip', 'brotli'] as const
      const setup = { topic: name, partitions, keyed, recordsPerBatchMax, codecs, port }
      this.producers.push(new WireProducerLoad(history, random.split(), setup))
    }
    const [orders, events, metrics] = TOPICS
    const impatient = { deliveryTimeoutMs: 150 }
    const small = { compression: 'gzip', batchBytes: 4096 } as const
    viaClient({ topic: 'orders', keyed: true, idempotent: true, burstMax: 300, pauseMsMax: 10 })
    viaClient({ topic: 'orders', keyed: false, idempotent: true, burstMax: 1, pauseMsMax: 2, producer: impatient })
    viaClient({ topic: 'events', keyed: true, idempotent: true, burstMax: 60, pauseMsMax: 5, producer: small })
    viaClient({ topic: 'events', keyed: false, idempotent: false, burstMax: 30, pauseMsMax: 5 })
    viaClient({ topic: 'metrics', keyed: false, idempotent: true, burstMax: 100, pauseMsMax: 10 })
    viaWire(orders, 40, true)
    viaWire(events, 200, false)
    viaWire(metrics, 3, true)
    const billing = this.addGroup('billing', orders)
    for (let member = 0; member < 2; member++) {
      this.members.push(new WireGroupMember(history, billing, random.split(), port))
    }
    const shipping = this.addGroup('shipping', orders)
    for (let member = 0; member < 2; member++) {
      this.members.push(new ClientGroupMember(this.connect(), history, shipping, random.split()))
    }
    this.members.push(new ClientGroupMember(this.connect(), history, this.addGroup('audit', events), random.split()))
  }

  private addGroup (group: string, { name, partitions }: typeof TOPICS[number]): GroupHistory {
    const groupHistory = new GroupHistory(this.history, group, name, partitions)
    this.groups.push(groupHistory)
    return groupHistory
  }

  private async round (round: number): Promise<void> {
    const { random } = this
    await delay(random.between(100, 1200))
    const loss = await this.kill()
    await this.hearLastWords()
    const damage = this.options.damage === false ? null : await this.damage()
    const restarts = await this.restart()
    const before = this.history.checked
    await this.readOn(0.1)
    this.say(`round ${round}: ${this.history.acknowledged} acknowledged, ${this.history.checked - before} checked${loss}` +
      `${damage === null ? '' : `, ${damage}`}${restarts > 1 ? `, killed ${restarts - 1} times while starting` : ''}` +
      `${this.history.violations.length === 0 ? '' : `, ${this.history.violations.length} VIOLATIONS`}`)
  }

  /** Kills the broker, and the machine with it where power is to be lost; the answer says what that took. */
  private async kill (): Promise<string> {
    await this.broker.kill()
    this.kills++
    if (this.disk === null) return ''
    const { style, atRisk, lostWrites, lostNames } = await this.disk.powerLoss(this.random)
    this.lostChanges += lostWrites + lostNames
    return `, lost ${style}: ${lostWrites} writes and ${lostNames} names of ${atRisk}`
  }

  /** Answers that the broker sent before it died may still be on their way: what they promise may not be damaged. */
  private async hearLastWords (): Promise<void> {
    for (let heard = -1; heard !== this.history.acknowledged + this.history.checked;) {
      heard = this.history.acknowledged + this.history.checked
      await delay(LAST_WORDS_MS)
    }
  }

  /** Starts the broker, killing it at times while it starts; the answer is how often it was started. */
  private async restart (): Promise<number> {
    let starts = 1
    while (this.random.chance(0.2)) {
      this.broker = this.spawn()
      await delay(this.random.between(50, 700))
      await this.kill()
      starts++
    }
    await this.start()
    return starts
  }

  /** At times damages the folder of the dead broker; the answer is how. */
  private async damage (): Promise<string | null> {
    const { random, data, olderMeta } = this
    const drawn = random.next()
    if (drawn < 0.25) {
      const { name, partitions } = random.pick(TOPICS)
      const partition = random.between(0, partitions)
      const place = this.history.partition(name, partition)
      const { promisedEnd } = place
      const address = { topicId: this.ids.get(name)!, partition }
      const done = await damageTail(data, address, promisedEnd, random.pick(TAIL_DAMAGE), random)
      if (done === null) return null
      place.damagedTails.push({ from: promisedEnd, to: done.endOffset })
      return `tail of ${name}/${partition}: ${done.text}`
    }
    if (drawn < 0.45) {
      const kind = random.pick(META_DAMAGE)
      if (kind === 'older' && !this.hasOlderMeta) return null
      await damageMeta(data, kind, olderMeta)
      return `meta store ${kind}`
    }
    if (drawn < 0.6) {
      await copyMeta(data, olderMeta)
      this.hasOlderMeta = true
    }
    return null
  }

  /**
   * Reads what is new in every partition, and, with a chance of `again`, a partition from its start.
   * All that was acknowledged before must be there.
   */
  private async readOn (again: number): Promise<void> {
    await using peer = await WirePeer.connect(this.port)
    for (const place of this.history.all()) {
      const { topic, partition, promisedEnd } = place
      const topicId = this.ids.get(topic)!
      const from = this.random.chance(again) ? 0 : place.readEnd
      await readPartition(peer, { topicId, partition }, from, {
        onRecord: record => this.history.onRead(topic, partition, record),
        onHole: hole => this.history.onHole(topic, partition, hole),
      })
      if (place.readEnd < promisedEnd) {
        this.history.report(`${place.label} ends at ${place.readEnd}; up to ${promisedEnd} records were acknowledged or read`)
      }
    }
    for (const group of this.groups) await group.checkCommitted(peer, this.ids.get(group.topic)!)
  }

  private async finish (): Promise<void> {
    await Promise.all(this.producers.map(producer => producer.stop()))
    await this.readOn(0)
    const deadlineMs = performance.now() + CATCH_UP_MS
    while (!this.groups.every(group => group.isCaughtUp) && performance.now() < deadlineMs) await delay(20)
    await Promise.all(this.members.map(member => member.stop()))
    const exit = await this.broker.stop()
    this.checkExit(exit)
    await this.start()
    await this.readOn(1)
    this.history.checkComplete()
    for (const group of this.groups) group.checkComplete()
    this.checkExit(await this.broker.stop())
  }

  private checkExit ({ code, signal }: BrokerExit): void {
    if (code !== 0) this.history.report(`stopped with SIGTERM the broker ended with ${signal ?? `exit code ${code}`}`)
  }
}
