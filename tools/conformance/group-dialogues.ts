// Dialogues about stream groups and committed offsets.

import type { AssignedPartitions, HeartbeatGroupResponse, JoinGroupResponse } from '@sluice/protocol'
import { batchOf } from './batches.js'
import { Deviation, expectEqual, expectItem, expectRefused, expectThat } from './deviation.js'
import type { Dialogue, Stage, TestTopic } from './dialogue.js'
import { produce } from './exchanges.js'
import type { RawConnection } from './raw-connection.js'

/** Heartbeats until a group must have come to rest. */
const ROUNDS_MAX = 50

function partitionsOf (assigned: readonly AssignedPartitions[]): number[] {
  return assigned.flatMap(({ partitions }) => partitions).sort((a, b) => a - b)
}

/** One member of a group, on a connection of its own. */
class TestMember {
  readonly connection: RawConnection
  private readonly group: string
  private readonly topic: TestTopic
  memberId = ''
  generation = -1
  /** What it works on. */
  owned: number[] = []
  /** What it may work on. */
  assigned: number[] = []

  constructor (connection: RawConnection, group: string, topic: TestTopic) {
    this.connection = connection
    this.group = group
    this.topic = topic
  }

  async join (instanceId: string | null = null): Promise<this> {
    this.take(await this.connection.tell('joinGroup', {
      group: this.group,
      memberId: this.memberId,
      instanceId,
      topics: [this.topic.name],
      assignor: '',
      sessionTimeoutMs: 30_000,
      rebalanceTimeoutMs: 30_000,
      generation: this.generation,
      owned: this.ownedField(),
    }))
    return this
  }

  /** Takes new partitions over and says so; gives up none. */
  async heartbeat (): Promise<void> {
    this.take(await this.connection.tell('heartbeatGroup', this.heartbeatFields(), { unordered: true }))
  }

  heartbeatFields () {
    const { group, memberId, generation } = this
    return { group, memberId, generation, maxWaitMs: 0, owned: this.ownedField() }
  }

  /** Stops work on what is no longer assigned. */
  giveUp (): void { this.owned = this.owned.filter(partition => this.assigned.includes(partition)) }

  async commit (partition: number, offset: number): Promise<{ error: number, message: string } | undefined> {
    const { group, memberId, generation, topic } = this
    const { results } = await this.connection.tell('commitOffsets', {
      group, memberId, generation, offsets: [{ topicId: topic.topicId, partition, offset, leaderEpoch: -1, metadata: 'note' }],
    })
    return results[0]
  }

  async leave (): Promise<void> {
    await this.connection.tell('leaveGroup', { group: this.group, memberId: this.memberId })
  }

  private ownedField (): { topicId: string, partitions: number[] }[] {
    return this.owned.length === 0 ? [] : [{ topicId: this.topic.topicId, partitions: this.owned }]
  }

  private take (response: JoinGroupResponse | HeartbeatGroupResponse): void {
    if ('memberId' in response) this.memberId = response.memberId
    this.generation = response.generation
    this.assigned = partitionsOf(response.assigned)
    this.owned = [...new Set([...this.owned, ...this.assigned])].sort((a, b) => a - b)
  }
}

/** Heartbeats of all members, giving up what is to be given up, until `done`. */
async function settle (members: readonly TestMember[], done: () => boolean, what: string): Promise<void> {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    for (const member of members) {
      await member.heartbeat()
      expectDisjoint(members)
      member.giveUp()
    }
    if (done()) return
    await new Promise(resolve => { setTimeout(resolve, 20) })
  }
  throw new Deviation(what, members.map(({ owned }) => `[${owned.join()}]`).join(' and '))
}

/** No partition is worked on by two members. */
function expectDisjoint (members: readonly TestMember[]): void {
  const all = members.flatMap(({ owned }) => owned)
  expectThat(new Set(all).size === all.length, 'each partition with one member', members.map(({ owned }) => `[${owned.join()}]`).join(' and '))
}

async function groupOf (
  stage: Stage, partitions: number,
): Promise<{ topic: TestTopic, group: string, member: () => Promise<TestMember> }> {
  const topic = await stage.topic(await stage.greeted(), partitions)
  const group = stage.newGroup()
  return { topic, group, member: async () => new TestMember(await stage.greeted(), group, topic) }
}

const MEMBERSHIP: Dialogue[] = [
  {
    name: 'Group: a lone member gets every partition',
    async run (stage) {
      const { member } = await groupOf(stage, 4)
      const one = await (await member()).join()
      expectThat(one.memberId !== '', 'a member id', 'an empty one')
      await settle([one], () => one.owned.length === 4, 'all four partitions')
      await one.leave()
    },
  },
  {
    name: 'Group: a second member gets its share only when the first has given it up; the rest goes on',
    async run (stage) {
      const { member } = await groupOf(stage, 4)
      const one = await (await member()).join()
      await settle([one], () => one.owned.length === 4, 'all four partitions')
      const before = one.generation
      const two = await (await member()).join()
      expectEqual(two.owned.length, 0, 'partitions of the second member while the first has them all')
      await settle([one, two], () => one.owned.length === 2 && two.owned.length === 2, 'two partitions each')
      expectThat(one.generation > before, `a generation above ${before}`, String(one.generation))
      await one.leave()
      await settle([two], () => two.owned.length === 4, 'all four partitions after the other has left')
      await two.leave()
    },
  },
  {
    name: 'Group: a heartbeat that waits is answered by a change',
    async run (stage) {
      const { member } = await groupOf(stage, 2)
      const one = await (await member()).join()
      await settle([one], () => one.owned.length === 2, 'both partitions')
      one.connection.send('heartbeatGroup', { ...one.heartbeatFields(), maxWaitMs: 9_000 }, { unordered: true })
      const two = await (await member()).join()
      const { fields, error } = await one.connection.answer('heartbeatGroup')
      expectThat(error === null, 'a heartbeat response', String(error?.message))
      expectEqual(partitionsOf(fields.assigned).length, 1, 'partitions still assigned to the first member')
      await two.leave()
      await one.leave()
    },
  },
  {
    name: 'Group: an unknown member is answered with UNKNOWN_MEMBER, and may join',
    async run (stage) {
      const { member } = await groupOf(stage, 1)
      const one = await member()
      one.memberId = 'nobody'
      expectRefused(await one.connection.ask('heartbeatGroup', { ...one.heartbeatFields(), generation: 1 }, { unordered: true }), 'UNKNOWN_MEMBER')
      await one.join()
      await settle([one], () => one.owned.length === 1, 'the partition')
      await one.leave()
      expectRefused(await one.connection.ask('heartbeatGroup', one.heartbeatFields(), { unordered: true }), 'UNKNOWN_MEMBER')
    },
  },
  {
    name: 'Group: a static member that comes back takes its place over, and its former self is fenced',
    async run (stage) {
      const { member } = await groupOf(stage, 2)
      const before = await (await member()).join('host-1')
      await settle([before], () => before.owned.length === 2, 'both partitions')
      const after = await (await member()).join('host-1')
      await settle([after], () => after.owned.length === 2, 'both partitions at once')
      expectRefused(await before.connection.ask('heartbeatGroup', before.heartbeatFields(), { unordered: true }), 'INSTANCE_FENCED')
      await after.leave()
    },
  },
  {
    name: 'Group: another assignor than that of the group is answered with INCONSISTENT_ASSIGNOR, none at all with INVALID_REQUEST',
    async run (stage) {
      const { topic, group, member } = await groupOf(stage, 1)
      const one = await (await member()).join()
      const join = (assignor: string, connection: RawConnection) => connection.ask('joinGroup', {
        group, memberId: '', instanceId: null, topics: [topic.name], assignor, sessionTimeoutMs: 30_000, rebalanceTimeoutMs: 30_000, generation: -1, owned: [],
      })
      expectRefused(await join('range', await stage.greeted()), 'INCONSISTENT_ASSIGNOR')
      expectRefused(await join('no-such-assignor', await stage.greeted()), 'INVALID_REQUEST')
      await one.leave()
    },
  },
]

const OFFSETS: Dialogue[] = [
  {
    name: 'Commit: an offset is stored with its text and found again; -1 where there is none',
    async run (stage) {
      const { topic, group, member } = await groupOf(stage, 2)
      const one = await (await member()).join()
      await settle([one], () => one.owned.length === 2, 'both partitions')
      const [result] = await produce(one.connection, [{ batch: batchOf(5), topicId: topic.topicId }])
      expectItem(result, 'NONE')
      expectItem(await one.commit(0, 3), 'NONE')
      const { offsets } = await one.connection.tell('fetchOffsets', {
        group, partitions: [{ topicId: topic.topicId, partition: 0 }, { topicId: topic.topicId, partition: 1 }],
      })
      expectItem(offsets[0], 'NONE')
      expectEqual(offsets[0]!.offset, 3, 'offset of partition 0')
      expectEqual(offsets[0]!.metadata, 'note', 'metadata of partition 0')
      expectEqual(offsets[1]!.offset, -1, 'offset of partition 1')
      const all = await one.connection.tell('fetchOffsets', { group, partitions: null })
      expectEqual(all.offsets.length, 1, 'offsets of the group')
      await one.leave()
    },
  },
  {
    name: 'Commit: one who is no member, or has lost the partition, is refused',
    async run (stage) {
      const { member } = await groupOf(stage, 2)
      const one = await (await member()).join()
      await settle([one], () => one.owned.length === 2, 'both partitions')
      const stranger = await member()
      stranger.memberId = 'nobody'
      stranger.generation = one.generation
      expectItem(await stranger.commit(0, 0), 'UNKNOWN_MEMBER')
      const two = await (await member()).join()
      await settle([one, two], () => two.owned.length === 1, 'a partition for the second member')
      expectItem(await two.commit(two.owned[0]!, 0), 'NONE')
      const refused = await one.commit(two.owned[0]!, 0)
      expectThat(refused !== undefined && refused.error !== 0, 'PARTITION_NOT_OWNED or STALE_GENERATION', 'success')
      await one.leave()
      await two.leave()
    },
  },
  {
    name: 'Commit: from outside into a group without members only, where -1 removes the offset',
    async run (stage) {
      const { topic, group, member } = await groupOf(stage, 1)
      const connection = await stage.greeted()
      const commit = async (offset: number) => (await connection.tell('commitOffsets', {
        group, memberId: '', generation: -1, offsets: [{ topicId: topic.topicId, partition: 0, offset, leaderEpoch: -1, metadata: null }],
      })).results[0]
      expectItem(await commit(0), 'NONE')
      expectThat((await connection.tell('listGroups', {})).groups.some(item => item.group === group), `group ${group} in listGroups`, 'it is missing')
      const one = await (await member()).join()
      expectItem(await commit(0), 'GROUP_NOT_EMPTY')
      await one.leave()
      expectItem(await commit(-1), 'NONE')
      expectEqual((await connection.tell('fetchOffsets', { group, partitions: null })).offsets.length, 0, 'offsets after removal')
    },
  },
  {
    name: 'Group: described while it lives, not deleted while it has members, gone after that',
    async run (stage) {
      const { group, member } = await groupOf(stage, 1)
      const one = await (await member()).join()
      await settle([one], () => one.owned.length === 1, 'the partition')
      expectItem(await one.commit(0, 0), 'NONE')
      const { connection } = one
      const describe = async () => (await connection.tell('describeGroups', { groups: [group] })).groups[0]
      const described = await describe()
      expectItem(described, 'NONE')
      expectEqual(described!.members[0]?.memberId, one.memberId, 'member id')
      expectEqual(described!.members[0]?.clientName, 'conformance', 'client name')
      const remove = async () => (await connection.tell('deleteGroups', { groups: [group] })).groups[0]
      expectItem(await remove(), 'GROUP_NOT_EMPTY')
      await one.leave()
      expectItem(await remove(), 'NONE')
      expectItem(await describe(), 'UNKNOWN_GROUP')
      expectItem(await remove(), 'UNKNOWN_GROUP')
    },
  },
]

export const GROUP_DIALOGUE_LIST: readonly Dialogue[] = [...MEMBERSHIP, ...OFFSETS]
