// A member of a stream group written from the protocol alone: joins, heartbeats, fetches, commits, and after a lost
// connection comes back with what it owns.
//
//   join ─▶ [take over assignment ─ fetch ─ deliver ─ commit at times ─ heartbeat] ─▶ leave
//     ▲                         │ UNKNOWN_MEMBER: as somebody new, owning nothing
//     └─────────────────────────┘

import { setTimeout as delay } from 'node:timers/promises'
import {
  ERROR, RecordReader, checkBatch, nextOffsetOf, readBatchHeader, type AssignedPartitions,
} from '@sluice/protocol'
import type { GroupHistory } from './group-history.js'
import type { History } from './history.js'
import type { SeededRandom } from './seeded-random.js'
import { WireError, WirePeer, throwOnError } from './wire-peer.js'
import { isPassing } from './wire-producer-load.js'

const SESSION_TIMEOUT_MS = 4_000
const REBALANCE_TIMEOUT_MS = 2_000
const FETCH_WAIT_MS = 50
const FETCH_BYTES = 512 * 1024
const RECONNECT_DELAY_MS = 20
const COMMIT_CHANCE = 0.3

export class WireGroupMember {
  private readonly history: History
  private readonly groupHistory: GroupHistory
  private readonly random: SeededRandom
  private readonly port: number
  private readonly running: Promise<void>
  private readonly reader = new RecordReader()
  /** Next offset to read of each partition that it owns. */
  private readonly cursors = new Map<number, number>()
  private memberId = ''
  private generation = -1
  private topicId = ''
  private stopping = false

  constructor (history: History, groupHistory: GroupHistory, random: SeededRandom, port: number) {
    this.history = history
    this.groupHistory = groupHistory
    this.random = random
    this.port = port
    this.running = this.run()
  }

  /** Commits, leaves the group and ends. */
  async stop (): Promise<void> {
    this.stopping = true
    await this.running
  }

  private async run (): Promise<void> {
    while (!this.stopping) {
      try {
        await using peer = await WirePeer.connect(this.port)
        await this.serve(peer)
      } catch (error) {
        if (error instanceof WireError && error.code === ERROR.UNKNOWN_MEMBER) this.forgetMembership()
        else if (!isPassing(error)) {
          this.history.report(`a member of group ${this.groupHistory.group} gave up: ${(error as Error).stack}`)
          return
        }
        await delay(RECONNECT_DELAY_MS)
      }
    }
  }

  private async serve (peer: WirePeer): Promise<void> {
    const { group, topic } = this.groupHistory
    const { message } = await peer.request('joinGroup', {
      group,
      memberId: this.memberId,
      instanceId: null,
      topics: [topic],
      assignor: '',
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      rebalanceTimeoutMs: REBALANCE_TIMEOUT_MS,
      generation: this.generation,
      owned: this.owned(),
    }, { unordered: true })
    this.memberId = message.memberId
    await this.takeOver(peer, message.generation, message.assigned)
    while (!this.stopping) {
      if (this.cursors.size > 0) await this.fetch(peer)
      else await delay(FETCH_WAIT_MS)
      if (this.random.chance(COMMIT_CHANCE)) await this.commit(peer, [...this.cursors.keys()])
      await this.heartbeat(peer)
    }
    await this.commit(peer, [...this.cursors.keys()])
    await peer.request('leaveGroup', { group, memberId: this.memberId })
  }

  private owned (): { topicId: string, partitions: number[] }[] {
    return this.cursors.size === 0 ? [] : [{ topicId: this.topicId, partitions: [...this.cursors.keys()] }]
  }

  private async heartbeat (peer: WirePeer): Promise<void> {
    const { memberId, generation } = this
    const { group } = this.groupHistory
    const { message } = await peer.request('heartbeatGroup', {
      group, memberId, generation, maxWaitMs: 0, owned: this.owned(),
    }, { unordered: true })
    await this.takeOver(peer, message.generation, message.assigned)
  }

  /** Gives up what is no longer assigned, after a last commit, and begins with what is new. */
  private async takeOver (peer: WirePeer, generation: number, assigned: readonly AssignedPartitions[]): Promise<void> {
    this.generation = generation
    const mine = new Set(assigned.flatMap(({ partitions }) => partitions))
    if (assigned.length > 0) this.topicId = assigned[0]!.topicId
    const given = [...this.cursors.keys()].filter(partition => !mine.has(partition))
    await this.commit(peer, given)
    for (const partition of given) this.cursors.delete(partition)
    const fresh = [...mine].filter(partition => !this.cursors.has(partition))
    if (fresh.length === 0) return
    const { message } = await peer.request('fetchOffsets', {
      group: this.groupHistory.group, partitions: fresh.map(partition => ({ topicId: this.topicId, partition })),
    })
    for (const answer of message.offsets) {
      throwOnError('fetchOffsets', answer)
      this.cursors.set(answer.partition, Math.max(0, answer.offset))
    }
  }

  private async fetch (peer: WirePeer): Promise<void> {
    const { topicId } = this
    const { message, payload } = await peer.request('fetch', {
      maxWaitMs: FETCH_WAIT_MS,
      minBytes: 1,
      maxBytes: FETCH_BYTES,
      partitions: [...this.cursors].map(([partition, offset]) =>
        ({ topicId, partition, offset, lastEpoch: -1, maxBytes: FETCH_BYTES })),
    }, { unordered: true })
    let position = 0
    for (const answer of message.partitions) {
      const { partition, error, resumeOffset, size } = answer
      if (error === ERROR.CORRUPT_DATA) {
        this.groupHistory.onHole(partition, { from: this.cursors.get(partition)!, to: resumeOffset })
        this.cursors.set(partition, resumeOffset)
      } else {
        throwOnError('fetch', answer)
        this.deliver(partition, payload.subarray(position, position + size))
      }
      position += size
    }
  }

  private deliver (partition: number, bytes: Buffer): void {
    const { reader } = this
    let offset = this.cursors.get(partition)!
    for (let position = 0; position < bytes.length;) {
      if (checkBatch(bytes, position) !== null) {
        return this.history.report(`partition ${partition}: a batch that is not sound was delivered`)
      }
      const header = readBatchHeader(bytes, position)
      reader.open(bytes, position)
      while (reader.next()) {
        if (reader.offset < offset) continue
        this.groupHistory.onDelivered(partition, {
          offset: reader.offset, key: reader.key?.toString() ?? null, value: reader.value?.toString() ?? null,
        })
      }
      offset = nextOffsetOf(header)
      position += header.size
    }
    this.cursors.set(partition, offset)
  }

  private async commit (peer: WirePeer, partitions: readonly number[]): Promise<void> {
    const { topicId, cursors } = this
    const offsets = partitions
      .map(partition => ({ topicId, partition, offset: cursors.get(partition)!, leaderEpoch: -1, metadata: null }))
      .filter(({ offset }) => offset > 0)
    if (offsets.length === 0) return
    const { message } = await peer.request('commitOffsets', {
      group: this.groupHistory.group,
      memberId: this.memberId,
      generation: this.generation,
      offsets,
    })
    message.results.forEach((result, index) => {
      const { partition, error } = result
      if (error === ERROR.NONE) this.groupHistory.onCommitted(partition, offsets[index]!.offset)
      // Somebody else has it now, and goes on from the offset that was committed last.
      else if (error === ERROR.PARTITION_NOT_OWNED) cursors.delete(partition)
      // The next heartbeat tells what has changed.
      else if (error !== ERROR.STALE_GENERATION) throwOnError('commitOffsets', result)
    })
  }

  private forgetMembership (): void {
    this.memberId = ''
    this.generation = -1
    this.cursors.clear()
  }
}
