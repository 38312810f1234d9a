// A consumer of a queue: receives from all partitions, works on what it gets, and settles it in one way or another,
// again and again until it is answered. Its session goes on at whoever leads; now and then its connection breaks, it
// says nothing for a while, or it begins anew.

import { SESSION_FLAG, SETTLE_ANSWER, SETTLE_KIND, type SettleItem, type SettleKind } from '@sluice/broker/simulation'
import type { SeededRandom } from '../crash/seeded-random.js'
import type { EventQueue } from './event-queue.js'
import type { GroupOptions } from './group-options.js'
import type { Answer, GroupServer, Handle, Refusal } from './group-server.js'
import type { SessionName } from './sim-sessions.js'

/** What a client of groups needs of the world. */
export interface GroupNetwork {
  readonly brokerCount: number
  readonly partitions: number
  /** Asks a broker about a partition; the answer may come late, or never. */
  ask<Answer> (
    brokerId: number, partition: number, ask: (server: GroupServer, reply: (answer: Answer | Refusal) => void) => void,
    answered: (answer: Answer | Refusal) => void,
  ): void
}

interface Held {
  readonly partition: number
  readonly handle: Handle
  dueMs: number
  /** What it has decided on; null while it has not. */
  item: SettleItem | null
  askedMs: number
}

const MODES = [SESSION_FLAG.outlived, SESSION_FLAG.renews, SESSION_FLAG.renews | SESSION_FLAG.explicitStart]
const RETRY_MS = 400
/** A connection that has answered nothing for so long is given up. */
const SILENCE_MS = 1_500
const FAR_DELAY_MS = 65_000
/** In the end a backlog has to go: so many records at once, so often. */
const CALM_RECORDS = 100
const CALM_MS = 10

export class SimQueueConsumer {
  private readonly queue: EventQueue
  private readonly random: SeededRandom
  private readonly network: GroupNetwork
  private readonly options: GroupOptions
  private readonly timeoutMs: number
  private readonly newSessionId: () => number
  private session: SessionName
  private held: Held[] = []
  private readonly leaders: number[]
  private readonly askedMs: number[]
  private silentUntilMs = 0
  private isCalm = false

  constructor (
    queue: EventQueue, random: SeededRandom, network: GroupNetwork, options: GroupOptions, newSessionId: () => number,
  ) {
    this.queue = queue
    this.random = random
    this.network = network
    this.options = options
    this.newSessionId = newSessionId
    this.timeoutMs = Number(options.settings['session.timeout.ms'])
    this.leaders = Array.from({ length: network.partitions }, () => random.between(0, network.brokerCount))
    this.askedMs = this.leaders.map(() => -Infinity)
    this.session = this.newSession()
    this.work()
    this.beat()
    this.every(options.disconnectMs, () => this.disconnect())
    this.every(options.closeMs, () => this.close())
  }

  /** Nothing goes wrong with it any more: it acknowledges all that it gets. */
  calm (): void {
    this.isCalm = true
    this.silentUntilMs = 0
  }

  private newSession (): SessionName {
    return { sessionId: this.newSessionId(), flags: this.random.pick(MODES), connection: 0 }
  }

  private every (meanMs: number, act: () => void): void {
    if (meanMs === 0) return
    this.queue.after(meanMs * 2 * this.random.next(), () => {
      if (this.isCalm) return
      act()
      this.every(meanMs, act)
    })
  }

  private work (): void {
    this.queue.after(this.isCalm ? CALM_MS : 10 + 60 * this.random.next(), () => {
      this.work()
      if (this.queue.nowMs < this.silentUntilMs) return
      this.receive(this.random.between(0, this.network.partitions))
      this.settleDue()
    })
  }

  // Receiving.

  private receive (partition: number): void {
    const { nowMs } = this.queue
    const askedMs = this.askedMs[partition]!
    if (askedMs > -Infinity && nowMs - askedMs < SILENCE_MS) return
    if (askedMs > -Infinity) {
      this.reconnect()
      this.leaders[partition] = this.random.between(0, this.network.brokerCount)
    }
    this.askedMs[partition] = nowMs
    const { session } = this
    const maxRecords = this.isCalm ? CALM_RECORDS : this.random.between(1, 9)
    this.network.ask<Answer<readonly Handle[]>>(this.leaders[partition]!, partition,
      (server, reply) => server.receive(session, maxRecords, reply),
      answer => {
        // The answer went to a connection that is no more: nobody ever hears of these leases.
        if (this.session !== session) return
        this.askedMs[partition] = -Infinity
        if (!answer.ok) return this.onRefused(partition, answer)
        for (const handle of answer.result) this.hold(partition, handle)
      })
  }

  private hold (partition: number, handle: Handle): void {
    const isHanging = !this.isCalm && this.random.chance(this.options.hangShare)
    const usualMs = this.isCalm ? 5 : 100
    const workMs = isHanging ? 3_000 + 4_000 * this.random.next() : usualMs * this.random.next()
    this.held.push({ partition, handle, dueMs: this.queue.nowMs + workMs, item: null, askedMs: -Infinity })
  }

  private onRefused (partition: number, { leader }: Refusal): void {
    this.leaders[partition] = leader >= 0 ? leader : this.random.between(0, this.network.brokerCount)
  }

  // Settling.

  private settleDue (): void {
    const { nowMs } = this.queue
    for (let partition = 0; partition < this.network.partitions; partition++) {
      const due = this.held.filter(each =>
        each.partition === partition && each.dueMs <= nowMs && nowMs - each.askedMs >= RETRY_MS)
      if (due.length > 0) this.settle(partition, due.sort((a, b) => a.handle.offset - b.handle.offset))
    }
  }

  private settle (partition: number, due: readonly Held[]): void {
    const items = due.map(held => {
      held.askedMs = this.queue.nowMs
      held.item ??= this.decide(held.handle)
      return held.item
    })
    if (this.random.chance(0.05)) this.leaders[partition] = this.random.between(0, this.network.brokerCount)
    this.network.ask<Answer<Uint8Array>>(this.leaders[partition]!, partition,
      (server, reply) => server.settle(items, reply),
      answer => {
        if (!answer.ok) return this.onRefused(partition, answer)
        due.forEach((held, index) => this.onAnswer(held, items[index]!, answer.result[index]!))
      })
  }

  private onAnswer (held: Held, item: SettleItem, answer: number): void {
    const place = this.held.indexOf(held)
    if (place < 0 || held.item !== item) return // answered before
    held.askedMs = -Infinity
    if (answer === SETTLE_ANSWER.BUSY) return
    const { nowMs } = this.queue
    if (answer === SETTLE_ANSWER.OUT_OF_ORDER) {
      held.dueMs = nowMs + 50
      return
    }
    const isNoEnd = item.kind === SETTLE_KIND.extend || item.kind === SETTLE_KIND.start
    if (!isNoEnd || answer !== SETTLE_ANSWER.OK) {
      this.held.splice(place, 1)
      return
    }
    held.item = null
    held.dueMs = nowMs + 200 * this.random.next()
  }

  private decide ({ offset, leaseEpoch, leaseSequence }: Handle): SettleItem {
    const item = (kind: SettleKind, delayMs?: number): SettleItem =>
      ({ kind, offset, count: 1, leaseEpoch, leaseSequence, ...(delayMs === undefined ? {} : { delayMs }) })
    if (this.isCalm) return item(SETTLE_KIND.ack)
    const { nackShare, rejectShare, releaseShare, extendShare, farShare } = this.options
    const { random } = this
    if (random.chance(nackShare)) {
      if (random.chance(farShare)) return item(SETTLE_KIND.nack, FAR_DELAY_MS)
      return item(SETTLE_KIND.nack, random.chance(0.5) ? -1 : random.between(0, 3_000))
    }
    if (random.chance(rejectShare)) return item(SETTLE_KIND.reject)
    if (random.chance(releaseShare)) return item(SETTLE_KIND.release)
    if (random.chance(extendShare)) {
      return item(random.pick([SETTLE_KIND.extend, SETTLE_KIND.start]), random.between(500, 3_000))
    }
    return item(SETTLE_KIND.ack)
  }

  // The session.

  private beat (): void {
    this.queue.after(this.timeoutMs / 3 * (0.5 + this.random.next() / 2), () => {
      this.beat()
      if (this.queue.nowMs < this.silentUntilMs) return
      const { session } = this
      for (let partition = 0; partition < this.network.partitions; partition++) {
        this.network.ask<Answer<number>>(this.leaders[partition]!, partition,
          (server, reply) => server.heartbeat(session, reply),
          answer => { if (!answer.ok) this.onRefused(partition, answer) })
      }
    })
  }

  private disconnect (): void {
    const { session } = this
    for (let partition = 0; partition < this.network.partitions; partition++) {
      this.network.ask<never>(this.leaders[partition]!, partition, server => server.disconnect(session), () => {})
    }
    this.reconnect()
    this.silentUntilMs = this.queue.nowMs + this.random.next() * 4_000
  }

  private reconnect (): void {
    this.session = { ...this.session, connection: this.session.connection + 1 }
    this.askedMs.fill(-Infinity)
  }

  private close (): void {
    const { session } = this
    for (let partition = 0; partition < this.network.partitions; partition++) {
      this.network.ask<never>(this.leaders[partition]!, partition, server => server.close(session), () => {})
    }
    this.held = []
    this.askedMs.fill(-Infinity)
    this.session = this.newSession()
  }
}
