// Stream groups of a scripted broker: round robin, and cooperative: a partition moves only when its owner lets go.

import { ERROR } from '@sluice/protocol'
import type { ScriptedBroker, SeenRequest } from './scripted-broker.js'

interface Owned { topicId: string, partitions: number[] }

interface Member {
  readonly memberId: string
  readonly instanceId: string | null
  topics: string[]
  /** `topicId/partition` that it says it works on. */
  owned: Set<string>
  /** The same that it may work on. */
  target: Set<string>
  sessionTimeoutMs: number
  /** Answers held back until something changes. */
  parked: (() => void)[]
  /** Generation that it was last told of. */
  told: number
}

interface Group {
  generation: number
  readonly members: Map<string, Member>
  /** By `topicId/partition`, as the epochs that were committed with them. */
  readonly offsets: Map<string, number>
  readonly epochs: Map<string, number>
}

/** See the head of this file. */
export class FakeGroups {
  heartbeatIntervalMs = 100
  private readonly broker: ScriptedBroker
  private readonly groups = new Map<string, Group>()
  private memberCount = 0

  constructor (broker: ScriptedBroker) {
    this.broker = broker
  }

  /** Committed offset, or undefined. */
  committed (group: string, topic: string, partition: number): number | undefined {
    return this.group(group).offsets.get(`${this.broker.topics.get(topic)!.topicId}/${partition}`)
  }

  /** Sets a committed offset. */
  commit (group: string, topic: string, partition: number, offset: number): void {
    this.group(group).offsets.set(`${this.broker.topics.get(topic)!.topicId}/${partition}`, offset)
  }

  /** Leader epoch that was committed with the offset; -1 for none. */
  committedEpoch (group: string, topic: string, partition: number): number {
    return this.group(group).epochs.get(`${this.broker.topics.get(topic)!.topicId}/${partition}`) ?? -1
  }

  memberIds (group: string): string[] {
    return [...this.group(group).members.keys()]
  }

  /** Forgets all members, as a broker does that was started again. */
  forgetMembers (): void {
    for (const group of this.groups.values()) {
      for (const member of group.members.values()) for (const wake of member.parked.splice(0)) wake()
      group.members.clear()
    }
  }

  close (): void {
    this.forgetMembers()
  }

  answer ({ api, message }: SeenRequest): any {
    switch (api) {
      case 'joinGroup': return this.join(message)
      case 'heartbeatGroup': return this.heartbeat(message)
      case 'leaveGroup': return this.leave(message)
      case 'commitOffsets': return this.commitOffsets(message)
      case 'fetchOffsets': return this.fetchOffsets(message)
      default: return { code: ERROR.UNKNOWN_API }
    }
  }

  private group (name: string): Group {
    let group = this.groups.get(name)
    if (group === undefined) {
      group = { generation: 0, members: new Map(), offsets: new Map(), epochs: new Map() }
      this.groups.set(name, group)
    }
    return group
  }

  private join (request: any): object {
    const group = this.group(request.group)
    const memberId = request.memberId === '' ? `member-${++this.memberCount}` : request.memberId
    const member: Member = group.members.get(memberId) ?? {
      memberId,
      instanceId: request.instanceId,
      topics: [],
      owned: new Set(),
      target: new Set(),
      sessionTimeoutMs: request.sessionTimeoutMs,
      parked: [],
      told: 0,
    }
    member.topics = request.topics
    member.owned = keysOf(request.owned)
    group.members.set(memberId, member)
    this.rebalance(group)
    member.told = group.generation
    return { message: { ...this.assignment(group, member), memberId, assignor: 'cooperative' } }
  }

  private async heartbeat (request: any): Promise<object> {
    const group = this.group(request.group)
    const member = group.members.get(request.memberId)
    if (member === undefined) return { code: ERROR.UNKNOWN_MEMBER }
    const owned = keysOf(request.owned)
    const freed = [...member.owned].some(key => !owned.has(key))
    member.owned = owned
    if (freed) this.wakeOthers(group, member)
    if (request.generation === group.generation && request.maxWaitMs > 0 && this.isSettled(group, member)) {
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, request.maxWaitMs)
        member.parked.push(() => { clearTimeout(timer); resolve() })
      })
      if (group.members.get(request.memberId) !== member) return { code: ERROR.UNKNOWN_MEMBER }
    }
    member.told = group.generation
    return { message: this.assignment(group, member) }
  }

  private leave (request: any): object {
    const group = this.group(request.group)
    if (group.members.delete(request.memberId)) this.rebalance(group)
    return { message: {} }
  }

  private commitOffsets (request: any): object {
    const group = this.group(request.group)
    const member = group.members.get(request.memberId)
    if (request.memberId !== '' && member === undefined) return { code: ERROR.UNKNOWN_MEMBER }
    if (member !== undefined && request.generation > group.generation) return { code: ERROR.STALE_GENERATION }
    const results = request.offsets.map(({ topicId, partition, offset, leaderEpoch }: any) => {
      const key = `${topicId}/${partition}`
      const isOwner = member === undefined || member.owned.has(key) || member.target.has(key)
      if (isOwner && offset < 0) group.offsets.delete(key)
      else if (isOwner) group.offsets.set(key, offset)
      if (isOwner) group.epochs.set(key, leaderEpoch)
      return { topicId, partition, error: isOwner ? 0 : ERROR.PARTITION_NOT_OWNED, message: '' }
    })
    return { message: { results } }
  }

  private fetchOffsets (request: any): object {
    const group = this.group(request.group)
    const keys: string[] = request.partitions?.map((row: any) => `${row.topicId}/${row.partition}`) ?? [...group.offsets.keys()]
    return {
      message: {
        offsets: keys.map(key => {
          const [topicId, partition] = key.split('/') as [string, string]
          return {
            topic: this.broker.topicById(topicId)?.name ?? '',
            topicId,
            partition: Number(partition),
            error: 0,
            message: '',
            offset: group.offsets.get(key) ?? -1,
            leaderEpoch: group.epochs.get(key) ?? -1,
            metadata: null,
            committedAt: -1,
          }
        }),
      },
    }
  }

  private rebalance (group: Group): void {
    group.generation++
    const members = [...group.members.values()]
    for (const member of members) member.target = new Set()
    for (const topic of this.broker.topics.values()) {
      const readers = members.filter(member => member.topics.includes(topic.name))
      if (readers.length === 0) continue
      topic.logs.forEach((_log, partition) => readers[partition % readers.length]!.target.add(`${topic.topicId}/${partition}`))
    }
    for (const member of members) for (const wake of member.parked.splice(0)) wake()
  }

  /** What a member may work on: its target but for what another one has not let go of. */
  private allowed (group: Group, member: Member): string[] {
    const held = new Set<string>()
    for (const other of group.members.values()) if (other !== member) for (const key of other.owned) held.add(key)
    return [...member.target].filter(key => !held.has(key))
  }

  private isSettled (group: Group, member: Member): boolean {
    const allowed = this.allowed(group, member)
    return allowed.length === member.owned.size && allowed.every(key => member.owned.has(key))
  }

  private wakeOthers (group: Group, member: Member): void {
    for (const other of group.members.values()) if (other !== member) for (const wake of other.parked.splice(0)) wake()
  }

  private assignment (group: Group, member: Member): object {
    const byTopic = new Map<string, number[]>()
    for (const key of this.allowed(group, member)) {
      const [topicId, partition] = key.split('/') as [string, string]
      const list = byTopic.get(topicId) ?? []
      list.push(Number(partition))
      byTopic.set(topicId, list)
    }
    return {
      generation: group.generation,
      heartbeatIntervalMs: this.heartbeatIntervalMs,
      assigned: [...byTopic].map(([topicId, partitions]) => ({
        topic: this.broker.topicById(topicId)!.name, topicId, partitions: partitions.sort((a, b) => a - b),
      })),
    }
  }
}

function keysOf (owned: Owned[]): Set<string> {
  return new Set(owned.flatMap(({ topicId, partitions }) => partitions.map(partition => `${topicId}/${partition}`)))
}
