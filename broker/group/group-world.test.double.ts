// A broker and its clients around a GroupTable, for tests: a clock by hand, topics, records that are saved when the
// test says so, and members that behave as a good client does.

import type { AssignedPartitions, OwnedPartitions } from '@sluice/protocol'
import { GROUP_LIMITS, type GroupLimits } from './group-limits.js'
import type { GroupRecord } from './generation-reserve.js'
import { GroupTable } from './group-table.js'
import type { GroupHost, GroupTopic, HeartbeatEvent, JoinEvent, MemberView } from './group-types.js'

export const GROUP = 'billing'
export const SESSION_MS = 9_000
export const REBALANCE_MS = 20_000

/** The answer to one request, when it has come. */
export class Answer {
  view: MemberView | null = null
  error = 0
  message = ''
  /** How many times the request was answered. */
  count = 0

  get pending (): boolean { return this.count === 0 }

  assigned (view: MemberView): void {
    this.view = view
    this.count++
  }

  refused (error: number, message: string): void {
    this.error = error
    this.message = message
    this.count++
  }

  /** What the member may work on, as 'topic/partition'. */
  get partitions (): string[] { return partitionNames(this.view?.assigned ?? []) }
}

export class GroupWorld implements GroupHost {
  readonly limits: GroupLimits
  readonly topics = new Map<string, GroupTopic>()
  readonly records = new Map<string, GroupRecord>()
  private readonly isShared: boolean
  /** By 'topicId/partition'. */
  readonly committedGenerations = new Map<string, number>()
  readonly retired: string[] = []
  readonly saves: { group: string, record: GroupRecord }[] = []
  /** False: saves wait for `save` or `failSave`. */
  savesAtOnce = true
  nowMs = 1_000
  table: GroupTable
  private awake = false
  private topicIds = 0
  private memberIds = 0

  /** @param isShared groups come from other brokers and go to them. */
  constructor (limits: Partial<GroupLimits> = {}, isShared = false) {
    this.limits = { ...GROUP_LIMITS, ...limits }
    this.isShared = isShared
    this.table = new GroupTable(this, this.nowMs, this.limits, isShared)
  }

  topicByName = (name: string): GroupTopic | undefined => this.topics.get(name)

  newMemberId (): string { return `member-${++this.memberIds}` }

  wake (): void { this.awake = true }

  committedGeneration (_group: string, topicId: string, partition: number): number {
    return this.committedGenerations.get(`${topicId}/${partition}`) ?? -1
  }

  loadRecord (group: string): GroupRecord | undefined { return this.records.get(group) }

  saveRecord (group: string, record: GroupRecord): void { this.saves.push({ group, record }) }

  removeRecord (group: string): void { this.records.delete(group) }

  groupRetired (group: string): void { this.retired.push(group) }

  addTopic (name: string, partitions: number): void {
    const topicId = this.topics.get(name)?.topicId ?? `topic-id-${++this.topicIds}`
    this.topics.set(name, { name, topicId, partitions })
    this.table.onTopicsChanged()
    this.endTurn()
  }

  deleteTopic (name: string): void {
    this.topics.delete(name)
    this.table.onTopicsChanged()
    this.endTurn()
  }

  join (changes: Partial<JoinEvent> = {}): Answer {
    const answer = this.joinInTurn(changes)
    this.endTurn()
    return answer
  }

  /** A join that is not the last event of its turn. */
  joinInTurn (changes: Partial<JoinEvent> = {}): Answer {
    const answer = new Answer()
    this.table.onJoin({
      group: GROUP,
      memberId: '',
      instanceId: null,
      topics: ['orders'],
      assignor: '',
      sessionTimeoutMs: SESSION_MS,
      rebalanceTimeoutMs: REBALANCE_MS,
      generation: -1,
      owned: [],
      clientName: 'test',
      clientAddress: '127.0.0.1:1',
      ...changes,
    }, answer, this.nowMs)
    return answer
  }

  heartbeat (event: Pick<HeartbeatEvent, 'memberId' | 'generation'> & Partial<HeartbeatEvent>): Answer {
    const answer = new Answer()
    this.table.onHeartbeat({ group: GROUP, maxWaitMs: 0, owned: [], ...event }, answer, this.nowMs)
    this.endTurn()
    return answer
  }

  leave (memberId: string): number {
    const refusal = this.table.onLeave(GROUP, memberId, this.nowMs)
    this.endTurn()
    return refusal?.error ?? 0
  }

  /** The error of a commit; 0 where it is taken. */
  commit (memberId: string, generation: number, partition: number, topic = 'orders'): number {
    const topicId = this.topics.get(topic)?.topicId ?? topic
    return this.table.commitRefusal(GROUP, memberId, generation, topicId, partition)?.error ?? 0
  }

  advance (ms: number): void {
    const endMs = this.nowMs + ms
    while (this.nowMs < endMs) {
      this.nowMs = Math.min(endMs, this.nowMs + 100)
      this.table.tick(this.nowMs)
      this.endTurn()
    }
  }

  endTurn (): void {
    while (this.awake || (this.savesAtOnce && this.saves.length > 0)) {
      if (this.awake) {
        this.awake = false
        this.table.settle(this.nowMs)
      } else {
        this.save()
      }
    }
  }

  /** Lets the oldest save succeed. */
  save (): void {
    const { group, record } = this.saves.shift()!
    this.records.set(group, record)
    this.table.onRecordSaved(group, record)
    if (!this.savesAtOnce) this.endTurn()
  }

  failSave (reason: string): void {
    const { group, record } = this.saves.shift()!
    this.table.onRecordNotSaved(group, record, reason, this.nowMs)
    this.endTurn()
  }

  /** Kills the broker and starts it again: only records outlive it. */
  restart (): void {
    this.saves.length = 0
    this.awake = false
    this.table = new GroupTable(this, this.nowMs, this.limits, this.isShared)
  }

  owned (...partitions: number[]): OwnedPartitions[] {
    return [{ topicId: this.topics.get('orders')!.topicId, partitions }]
  }

  description (): ReturnType<GroupTable['describe']> {
    return this.table.describe(GROUP, this.nowMs)
  }
}

/** A member that does what it is told: takes what is assigned, and lets go of the rest when `letGo` is called. */
export class GoodMember {
  readonly world: GroupWorld
  /** In what its joins differ from those of all. */
  joinChanges: Partial<JoinEvent>
  memberId = ''
  generation = -1
  /** What it works on, as 'topicId/partition'. */
  readonly working = new Set<string>()
  /** What it may work on by its last answer. */
  private assigned = new Set<string>()
  lastError = 0

  constructor (world: GroupWorld, joinChanges: Partial<JoinEvent> = {}) {
    this.world = world
    this.joinChanges = joinChanges
  }

  get partitions (): string[] {
    const names = new Map([...this.world.topics.values()].map(topic => [topic.topicId, topic.name]))
    return [...this.working].map(key => {
      const [topicId, partition] = key.split('/')
      return `${names.get(topicId!)}/${partition}`
    }).sort()
  }

  join (): this {
    const { memberId, generation, owned } = this
    this.take(this.world.join({ ...this.joinChanges, memberId, generation, owned }))
    return this
  }

  /** One round: reports what it works on, takes what it is told. Joins again where it is not known. */
  beat (): this {
    const answer = this.world.heartbeat({ memberId: this.memberId, generation: this.generation, owned: this.owned })
    this.take(answer)
    return this
  }

  /** Stops work on what it may not work on any more. */
  letGo (): this {
    for (const key of this.working) if (!this.assigned.has(key)) this.working.delete(key)
    return this
  }

  /** Takes an answer, as the client would when it arrives. */
  take (answer: Answer): void {
    this.lastError = answer.error
    const { view } = answer
    if (view === null || view.generation < this.generation) return
    this.memberId = view.memberId
    this.generation = view.generation
    this.assigned = new Set(keysOf(view.assigned))
    for (const key of this.assigned) this.working.add(key)
  }

  get owned (): OwnedPartitions[] {
    return [...this.working].map(key => {
      const [topicId, partition] = key.split('/')
      return { topicId: topicId!, partitions: [Number(partition)] }
    })
  }
}

/** Lets all members beat and let go until nothing changes any more. */
export function calmDown (members: readonly GoodMember[], rounds = 6): void {
  for (let round = 0; round < rounds; round++) for (const member of members) member.beat().letGo()
}

export function keysOf (assigned: readonly AssignedPartitions[]): string[] {
  return assigned.flatMap(({ topicId, partitions }) => partitions.map(partition => `${topicId}/${partition}`))
}

function partitionNames (assigned: readonly AssignedPartitions[]): string[] {
  return assigned.flatMap(({ topic, partitions }) => partitions.map(partition => `${topic}/${partition}`))
}
