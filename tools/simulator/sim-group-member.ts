// The members of a stream group on one partition: one at a time owns it, in a generation of its own, reads how far the
// group is, and commits further offsets one after the other. When the next one takes over, the one before may not have
// heard of it, and what it has sent may still be on its way: the group's coordinator has let it commit.

import type { GroupOffset } from '@sluice/broker/simulation'
import type { SeededRandom } from '../crash/seeded-random.js'
import type { EventQueue } from './event-queue.js'
import type { Answer, Refusal } from './group-server.js'
import type { GroupNetwork } from './sim-queue-consumer.js'

const RETRY_MS = 400

export class SimGroupMember {
  private readonly queue: EventQueue
  private readonly random: SeededRandom
  private readonly network: GroupNetwork
  private readonly partition: number
  private readonly generation: number
  private leader: number
  private offset = -1
  private highWatermark = 0
  private request = 0
  private isOver = false
  private isCalm = false

  constructor (queue: EventQueue, random: SeededRandom, network: GroupNetwork, partition: number, generation: number) {
    this.queue = queue
    this.random = random
    this.network = network
    this.partition = partition
    this.generation = generation
    this.leader = random.between(0, network.brokerCount)
    this.read()
  }

  /** True where it has committed all there is. */
  get isDone (): boolean { return this.offset >= this.highWatermark && this.offset >= 0 }

  /** From here on it commits all there is at once. */
  calm (): void { this.isCalm = true }

  /** Another member owns the partition. What is under way goes on. */
  leave (): void { this.isOver = true }

  private read (): void {
    this.step(() => this.read(), (isCurrent) => {
      type Progress = { readonly offset: GroupOffset | null, readonly highWatermark: number }
      this.network.ask<Answer<Progress>>(this.leader, this.partition,
        (server, reply) => { if (isCurrent()) server.readOffset(reply) },
        answer => {
          if (!isCurrent()) return
          if (!answer.ok) return this.onRefused(answer)
          this.request++
          const { offset, highWatermark } = answer.result
          // The offset may have been read by a member before this one that has gone further since.
          this.offset = Math.max(this.offset, offset?.offset ?? 0)
          this.highWatermark = highWatermark
          const step = this.isCalm ? highWatermark : this.random.between(1, 7)
          const next = Math.min(highWatermark, this.offset + step)
          const isNews = next > this.offset || offset === null
          this.later(() => { if (isNews) this.commit(next); else this.read() })
        })
    })
  }

  /** The same offset again until it is answered: a client that gives up closes its connection. */
  private commit (offset: number): void {
    this.step(() => this.commit(offset), (isCurrent) => {
      const { generation } = this
      const commit: GroupOffset = { offset, leaderEpoch: -1, metadata: null, generation, committedAt: 0 }
      this.network.ask<Answer<null>>(this.leader, this.partition,
        (server, reply) => { if (isCurrent()) server.commitOffset(commit, reply) },
        answer => {
          if (!isCurrent()) return
          if (!answer.ok) return this.onRefused(answer)
          this.request++
          this.offset = offset
          if (!this.isOver) this.later(() => this.read())
        })
    })
  }

  /** Asks, and asks again where no answer has come. */
  private step (again: () => void, ask: (isCurrent: () => boolean) => void): void {
    const { request } = this
    const isCurrent = (): boolean => this.request === request
    ask(isCurrent)
    this.queue.after(RETRY_MS, () => {
      if (!isCurrent() || this.isOver) return
      if (this.random.chance(0.3)) this.leader = this.random.between(0, this.network.brokerCount)
      again()
    })
  }

  private later (run: () => void): void {
    this.queue.after(5 + 100 * this.random.next(), run)
  }

  private onRefused ({ leader }: Refusal): void {
    this.leader = leader >= 0 ? leader : this.random.between(0, this.network.brokerCount)
  }
}
