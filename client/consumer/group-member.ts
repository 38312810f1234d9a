// Membership in a stream group: joining, heartbeats, and learning what to work on.
//
//              join                      heartbeat, parked at the broker until something changes
//   outside ─────────▶ member ──────────────────────────────────────────────────────────▶ member
//      ▲                  │ unknown member, session over
//      └──────────────────┘ join again, with what is still worked on
//
// It runs on its own, beside fetches and handlers. A partition that is to be given up stays in `owned` until its work
// has stopped and is committed; only then a heartbeat leaves it out, and another member may have it.
//
// Invariants: `owned` is what the broker may count on being worked on here; whoever was not heard from for a session
// timeout owns nothing.

import { randomUUID } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { ERROR, type AssignedPartitions } from '@sluice/protocol'
import { asBrokerError, BrokerError } from '../broker-error.js'
import type { Cluster } from '../connection/cluster.js'
import { deferred, delay, retryDelayMs, settledWithin, type Deferred } from '../waiting.js'
import type { ConsumerSettings } from './consumer-options.js'
import { topicReplaced } from './topic-gone.js'

/** What a member tells its consumer. */
export interface MemberListener {
  /** Work on these may begin. */
  onAssigned (topicId: string, partitions: readonly number[]): void
  /** Work on these has to stop. Resolves when it has, and is committed. */
  onRevoked (partitions: readonly number[]): Promise<void>
  /** These are gone already: others may work on them. */
  onLost (partitions: readonly number[]): void
  /** It cannot go on. */
  onFailed (error: BrokerError): void
}

/** Shortest time that a broker may hold a heartbeat back, so that an odd interval does not make a storm, in ms. */
const WAIT_MS_MIN = 20
const LEAVE_TIMEOUT_MS = 2_000

/** See the head of this file. */
export class GroupMember {
  /** Chosen here, so that a join whose answer went missing can be repeated; for a static member given by the broker. */
  memberId: string
  generation = -1
  /** Partitions worked on, those being given up included. */
  readonly owned = new Set<number>()
  private readonly cluster: Cluster
  private readonly topic: string
  private readonly settings: ConsumerSettings
  private readonly listener: MemberListener
  private readonly stop = new AbortController()
  private readonly revoking = new Set<number>()
  private topicId = ''
  private joined = false
  private heartbeatIntervalMs = 1_000
  private kicked: Deferred<void> = deferred()
  private confirmed: Deferred<void> = deferred()
  private sessionTimer: NodeJS.Timeout | null = null
  /** When the last heartbeat or join that was answered was sent, on the monotonic clock. */
  private lastSentAtMs = 0
  private running: Promise<void> | null = null
  private closing: Promise<void> | null = null

  constructor (cluster: Cluster, topic: string, settings: ConsumerSettings, listener: MemberListener) {
    this.cluster = cluster
    this.topic = topic
    this.settings = settings
    this.listener = listener
    // Heartbeats that were overtaken wait for their answers side by side.
    setMaxListeners(0, this.stop.signal)
    this.memberId = settings.instanceId === null ? randomUUID() : ''
  }

  start (): void {
    this.running ??= this.run()
  }

  /** Sends a heartbeat now. */
  kick (): void {
    this.kicked.resolve()
  }

  /** Resolves when the group has confirmed the membership the next time. */
  nextConfirmation (): Promise<void> {
    this.kick()
    return this.confirmed.promise
  }

  /** A broker has said that this partition belongs to somebody else. */
  drop (partition: number): void {
    if (!this.owned.delete(partition)) return
    this.listener.onLost([partition])
    this.kick()
  }

  /** A broker has said that it does not know this member: joins again. */
  rejoin (): void {
    this.joined = false
    this.kick()
  }

  /** Stops. A dynamic member leaves, so that others need not wait; a static one will be back. */
  close (): Promise<void> {
    this.closing ??= this.leave()
    return this.closing
  }

  private async leave (): Promise<void> {
    this.stop.abort(new BrokerError('CLOSED', 'the consumer is closed'))
    if (this.sessionTimer !== null) clearTimeout(this.sessionTimer)
    this.kick()
    await this.running
    if (this.generation < 0 || this.settings.instanceId !== null) return
    const { group } = this.settings
    const leaving = this.cluster.request('leaveGroup', { group, memberId: this.memberId }, {
      timeoutMs: LEAVE_TIMEOUT_MS, maxAttempts: 1,
    })
    await settledWithin(leaving, LEAVE_TIMEOUT_MS)
  }

  private async run (): Promise<void> {
    const { signal } = this.stop
    let failures = 0
    while (!signal.aborted) {
      this.kicked = deferred()
      try {
        if (this.joined) await this.beat()
        else await this.join()
        failures = 0
      } catch (cause) {
        if (signal.aborted) return
        const error = asBrokerError(cause)
        if (error.code === 'REBALANCE') this.joined = false
        else if (!error.retriable) return this.listener.onFailed(error)
        failures++
        if (failures === 1 && error.code === 'REBALANCE') continue
        await this.pause(retryDelayMs(this.cluster.settings, error, failures))
      }
    }
  }

  /** Waits, but not when there is a connection again or something to say. */
  private async pause (ms: number): Promise<void> {
    const { promise } = this.kicked = deferred()
    const off = this.cluster.events.on('connect', () => this.kick())
    const over = new AbortController()
    await Promise.race([delay(ms, over.signal).catch(() => {}), promise])
    over.abort()
    off()
  }

  private async join (): Promise<void> {
    const { group, instanceId, assignor, sessionTimeoutMs, rebalanceTimeoutMs } = this.settings
    let sentAtMs = 0
    const { message } = await this.cluster.request('joinGroup', {
      group,
      memberId: this.memberId,
      instanceId,
      topics: [this.topic],
      assignor,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      generation: this.generation,
      owned: this.ownedByTopic(),
    }, {
      maxAttempts: 1, unordered: true, signal: this.stop.signal, onSend: () => { sentAtMs = performance.now() },
    })
    this.memberId = message.memberId
    this.joined = true
    this.confirm(sentAtMs, message.generation, message.heartbeatIntervalMs, message.assigned)
  }

  /** One heartbeat; over when it is answered, or when there is something to say before that. */
  private async beat (): Promise<void> {
    let sentAtMs = 0
    const { group, sessionTimeoutMs } = this.settings
    const maxWaitMs = Math.max(WAIT_MS_MIN, Math.floor(this.heartbeatIntervalMs * 0.8))
    const beat = this.cluster.request('heartbeatGroup', {
      group, memberId: this.memberId, generation: this.generation, maxWaitMs, owned: this.ownedByTopic(),
    }, {
      maxAttempts: 1,
      unordered: true,
      timeoutMs: maxWaitMs + Math.ceil(sessionTimeoutMs / 3),
      signal: this.stop.signal,
      onSend: () => { sentAtMs = performance.now() },
    }).then(({ message }) => {
      if (!this.joined || message.generation < this.generation) return
      this.confirm(sentAtMs, message.generation, message.heartbeatIntervalMs, message.assigned)
    })
    beat.catch(() => {})
    await Promise.race([beat, this.kicked.promise])
  }

  private confirm (
    sentAtMs: number, generation: number, heartbeatIntervalMs: number, assigned: readonly AssignedPartitions[],
  ): void {
    if (this.stop.signal.aborted) return
    this.generation = generation
    this.heartbeatIntervalMs = heartbeatIntervalMs
    this.armSession(sentAtMs)
    this.apply(assigned.find(one => one.topic === this.topic))
    const { confirmed } = this
    this.confirmed = deferred()
    confirmed.resolve()
  }

  private apply (assigned: AssignedPartitions | undefined): void {
    if (assigned !== undefined && assigned.topicId !== this.topicId) {
      if (this.topicId !== '') {
        this.loseAll()
        return this.listener.onFailed(topicReplaced(this.topic))
      }
      this.topicId = assigned.topicId
    }
    const wanted = new Set(assigned?.partitions ?? [])
    const excess = [...this.owned].filter(partition => !wanted.has(partition) && !this.revoking.has(partition))
    const gained = [...wanted].filter(partition => !this.owned.has(partition))
    if (excess.length > 0) this.giveUp(excess)
    if (gained.length > 0) {
      for (const partition of gained) this.owned.add(partition)
      this.listener.onAssigned(this.topicId, gained)
      // Says at once that these are taken up, so that the group comes to rest.
      this.kick()
    }
  }

  private giveUp (partitions: readonly number[]): void {
    for (const partition of partitions) this.revoking.add(partition)
    this.listener.onRevoked(partitions).finally(() => {
      for (const partition of partitions) {
        this.revoking.delete(partition)
        this.owned.delete(partition)
      }
      this.kick()
    })
  }

  private loseAll (): void {
    const lost = [...this.owned]
    this.owned.clear()
    if (lost.length > 0) this.listener.onLost(lost)
  }

  private armSession (sentAtMs: number): void {
    if (this.sessionTimer !== null) clearTimeout(this.sessionTimer)
    const leftMs = sentAtMs + this.settings.sessionTimeoutMs - performance.now()
    this.sessionTimer = setTimeout(() => {
      // An answer may lie unread in the socket where this process stood still: read first, then judge.
      setImmediate(() => this.onSessionOver(sentAtMs))
    }, Math.max(1, leftMs)).unref()
    this.lastSentAtMs = sentAtMs
  }

  private onSessionOver (sentAtMs: number): void {
    if (this.lastSentAtMs !== sentAtMs || this.stop.signal.aborted) return
    this.cluster.settings.logger.warn({ group: this.settings.group, topic: this.topic },
      'no heartbeat got through for a session timeout: the partitions count as lost')
    this.joined = false
    this.loseAll()
    this.kick()
  }

  private ownedByTopic (): { topicId: string, partitions: number[] }[] {
    if (this.owned.size === 0) return []
    return [{ topicId: this.topicId, partitions: [...this.owned].sort((a, b) => a - b) }]
  }
}

/** True for the errors that say that the place in the group has to be renewed. */
export function isMembershipError (error: BrokerError): boolean {
  return error.serverCode === ERROR.UNKNOWN_MEMBER || error.serverCode === ERROR.STALE_GENERATION
}
