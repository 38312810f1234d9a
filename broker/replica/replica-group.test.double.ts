// A few replicas of one partition on disks in memory, whose messages and clock are in the hands of the test.

import { RecordBatchBuilder } from '@sluice/protocol'
import { LOG_CONFIG_DEFAULT, LogStore } from '@sluice/storage'
import { MemoryDisk, MemoryMetaStore } from '@sluice/storage/testing'
import type { Member } from './member.js'
import { activate, type PartitionRecord } from './partition-record.js'
import { PromiseStore } from './promise-store.js'
import { Replica } from './replica.js'
import { REPLICA_TIMING_DEFAULT, type ReplicaReport } from './replica-host.js'
import type { ReplicaMessage } from './replica-message.js'

export interface Letter { readonly from: number, readonly to: number, readonly message: ReplicaMessage }

const IDLE_TURNS = 40

/** One broker's replica; its disk and meta store outlive it. */
export class TestMember {
  readonly id: number
  readonly disk = new MemoryDisk()
  readonly meta = new MemoryMetaStore()
  replica!: Replica
  life = 0
  opened: number[] = []
  reports: ReplicaReport[] = []

  constructor (id: number) { this.id = id }

  get member (): Member { return { brokerId: this.id, storeId: `s${this.id}` } }
  get incarnation (): string { return `${this.id}.${this.life}` }
  get log () { return this.replica.logs[0]! }
}

export class TestGroup {
  readonly members: TestMember[]
  /** Messages under way, in order. */
  letters: Letter[] = []
  nowMs = 0
  record!: PartitionRecord
  /** Most bytes of one answer. */
  fetchBytes = REPLICA_TIMING_DEFAULT.fetchBytes
  flush: 'sync' | 'interval' = 'sync'
  /** Letters that never arrive. */
  loses: (letter: Letter) => boolean = () => false

  constructor (count: number) {
    this.members = Array.from({ length: count }, (_, id) => new TestMember(id))
  }

  static async start (count: number, fetchBytes = REPLICA_TIMING_DEFAULT.fetchBytes): Promise<TestGroup> {
    const group = new TestGroup(count)
    group.fetchBytes = fetchBytes
    for (const member of group.members) await group.open(member)
    return group
  }

  /** Starts a member, again after `stop` or a power cut. */
  async open (member: TestMember): Promise<void> {
    const life = ++member.life
    const promises = new PromiseStore(member.meta)
    const disk = member.disk.attach()
    await disk.makeDirectory('/data')
    await disk.syncDirectory('/')
    const store = await LogStore.open({
      directory: '/data',
      disk,
      meta: member.meta,
      clock: { wallMs: () => 1_000, monotonicMs: () => this.nowMs },
      endOfTurn: setImmediate,
      after: () => () => {},
      cleanStart: false,
      report: () => {},
    })
    const log = await store.openLog({ topicId: 'topic', partition: 0, kind: 'data' }, { ...LOG_CONFIG_DEFAULT, flush: this.flush })
    member.opened = []
    member.reports = []
    member.replica = new Replica({
      host: {
        self: member.member,
        incarnation: member.incarnation,
        monotonicMs: () => this.nowMs,
        wallMs: () => 1_000,
        endOfTurn: setImmediate,
        send: (to, message) => { if (member.life === life) this.letters.push({ from: member.id, to, message }) },
        savePromise: (promise, done) => promises.save('topic', 0, promise, done),
        activate: (record) => {
          const after = activate(this.record, record.epoch, '')
          if (after === null) return
          this.record = after
          setImmediate(() => { if (member.life === life) member.replica.onRecord(after) })
        },
        onRole: () => {},
        onOpen: (epoch) => { member.opened.push(epoch) },
        onQuorum: () => {},
        onHighWatermark: () => {},
        removableOffset: (_log, offset) => offset,
        onLogAdvance: () => {},
        onTruncate: () => {},
        report: (kind) => { member.reports.push(kind) },
      },
      logs: [log],
      stored: promises.load('topic', 0),
      bootId: `boot ${life}`,
      timing: { ...REPLICA_TIMING_DEFAULT, fetchBytes: this.fetchBytes },
    })
  }

  /** Ends a member's process and power. */
  powerCut (member: TestMember): void {
    member.life++
    member.disk.powerCut({ keep: 'none', inFlight: 'lost' })
    member.meta.powerCut()
    this.letters = this.letters.filter(letter => letter.to !== member.id)
  }

  /** Gives a record to members, all by default, and waits until nothing moves. */
  async tell (record: PartitionRecord, members: readonly TestMember[] = this.members): Promise<void> {
    this.record = record
    for (const { replica } of members) replica.onRecord(record)
    await this.settle()
  }

  /** Delivers everything until nothing is under way. */
  async settle (): Promise<void> {
    for (let idle = 0, round = 0; idle < IDLE_TURNS && round < 2_000; round++) {
      idle = this.letters.length > 0 ? 0 : idle + 1
      const letters = this.letters
      this.letters = []
      for (const letter of letters) this.deliver(letter)
      await new Promise(setImmediate)
    }
  }

  deliver (letter: Letter): void {
    if (!this.loses(letter)) this.members[letter.to]!.replica.onMessage(letter.from, letter.message)
  }

  /** Lets time pass in steps, with a tick for all at each. */
  async pass (ms: number, members: readonly TestMember[] = this.members): Promise<void> {
    for (let left = ms; left > 0; left -= 100) {
      this.nowMs += Math.min(100, left)
      for (const { replica } of members) replica.tick()
      await this.settle()
    }
  }
}

/** A batch of one record. */
export function testBatch (value: string): Buffer {
  const builder = new RecordBatchBuilder(256)
  builder.append(null, value, 1)
  return builder.build()
}
