// What the API of a broker does with the requests of queue consumers and of members of stream groups, without the
// connections: each is answered as soon as the product lets go of the answer. What is answered is shown to the checker
// right before it leaves.

import {
  type Grants, type GroupOffset, type HostedQueueGroup, SETTLE_KIND, type SettleItem,
} from '@sluice/broker/simulation'
import { type GroupChecker, STREAM_GROUP } from './group-checker.js'
import type { HostedPartition } from './hosted-partition.js'
import type { Speaker } from './queue-checker.js'
import type { SessionName } from './sim-sessions.js'

/** A lease that a consumer was told of. */
export interface Handle { readonly offset: number, readonly leaseEpoch: number, readonly leaseSequence: number }

/** Leader: where to ask instead; -1 where nobody knows. */
export interface Refusal { readonly ok: false, readonly leader: number }
export type Answer<Result> = { readonly ok: true, readonly result: Result } | Refusal
export type Reply<Result> = (answer: Answer<Result>) => void

const RECEIVE_BYTES = 1024 * 1024
const NOTICES_MAX = 100
const KIND_NAMES = Object.fromEntries(Object.entries(SETTLE_KIND).map(([name, kind]) => [kind, name]))

export class GroupServer {
  private readonly hosted: HostedPartition
  private readonly checker: GroupChecker
  private readonly nowMs: () => number
  private readonly note: (kind: string, detail: string) => void

  /** @param note hears of all that is answered */
  constructor (
    hosted: HostedPartition, checker: GroupChecker, nowMs: () => number, note: (kind: string, detail: string) => void,
  ) {
    this.hosted = hosted
    this.checker = checker
    this.nowMs = nowMs
    this.note = note
  }

  receive (name: SessionName, maxRecords: number, reply: Reply<readonly Handle[]>): void {
    const group = this.group()
    const session = this.hosted.host.sessions.find(name)
    if (group === null || session === null) return this.refuse(reply)
    session.giveBackUnstarted()
    session.join(group)
    const createdMs = this.nowMs()
    const { sessionId, flags } = name
    const queue = group.turn()
    let sequence = 0
    const count = queue.receive({ sessionId, maxRecords, maxBytes: RECEIVE_BYTES }, grants => {
      if (grants === null) return this.refuse(reply)
      this.queueChecker.onGranted(grants, { sessionId, flags, createdMs }, this.speaker(group, sequence))
      const handles = handlesOf(grants)
      this.note('granted', `${handles.map(({ offset }) => offset).join()} to ${sessionId} e${grants.leaseEpoch}`)
      reply({ ok: true, result: handles })
    })
    sequence = queue.sequence
    if (count <= 0) reply({ ok: true, result: [] })
  }

  settle (items: readonly SettleItem[], reply: Reply<Uint8Array>): void {
    const group = this.group()
    if (group === null) return this.refuse(reply)
    this.queueChecker.onSettling(items)
    const processedMs = this.nowMs()
    const queue = group.turn()
    let sequence = 0
    queue.settle(items, answers => {
      if (answers === null) return this.refuse(reply)
      this.queueChecker.onSettled(items, answers, processedMs, this.speaker(group, sequence))
      for (const [index, { kind, offset }] of items.entries()) {
        this.note(`settle ${KIND_NAMES[kind]} ${answers[index]}`, String(offset))
      }
      reply({ ok: true, result: answers })
    })
    sequence = queue.sequence
  }

  /** Says that the session is alive, in all groups of this broker that know it; tells how many have ended it. */
  heartbeat (name: SessionName, reply: Reply<number>): void {
    const session = this.hosted.host.sessions.find(name)
    if (session === null) return this.refuse(reply)
    session.giveBackUnstarted()
    let lost = 0
    for (const group of session.groups) {
      if (group.isStopped) session.forget(group)
      else if (!group.turn().heartbeat(name.sessionId)) {
        session.groups.delete(group)
        lost++
      } else group.turn().noticesFor(name.sessionId, NOTICES_MAX)
    }
    this.note('heartbeat', `${name.sessionId} ${lost}`)
    reply({ ok: true, result: lost })
  }

  /** The connection of a session has broken. */
  disconnect (name: SessionName): void { this.hosted.host.sessions.disconnect(name) }

  close (name: SessionName): void { this.hosted.host.sessions.close(name) }

  /** An operator lets keys go on that have stopped. */
  resumeLane (lane: number): void { this.group()?.turn().resumeLane(lane, false) }

  /** Somebody does not want to wait for a delayed record any more. */
  bringForward (offset: number): void {
    this.queueChecker.onBroughtForward(offset)
    this.group()?.turn().reschedule(offset, this.hosted.host.wallMs(), () => {})
  }

  commitOffset (offset: GroupOffset, reply: Reply<null>): void {
    const { partition } = this.hosted
    if (partition === null) return this.refuse(reply)
    partition.commitOffset(STREAM_GROUP, offset, error => {
      if (error !== 0) return this.refuse(reply)
      this.offsetsChecker.onAcknowledged(offset)
      this.note('offset committed', `${offset.offset} g${offset.generation}`)
      reply({ ok: true, result: null })
    })
  }

  /** How far the group has read, and how far it may. */
  readOffset (reply: Reply<{ readonly offset: GroupOffset | null, readonly highWatermark: number }>): void {
    const { partition } = this.hosted
    if (partition === null) return this.refuse(reply)
    const before = this.offsetsChecker.latest
    partition.confirmLeadership(refusal => {
      if (refusal !== null) return this.refuse(reply)
      const offset = partition.committedOffset(STREAM_GROUP) ?? null
      this.offsetsChecker.onRead(offset, before)
      this.note('offset read', `${offset?.offset ?? -1}`)
      reply({ ok: true, result: { offset, highWatermark: partition.highWatermark } })
    })
  }

  /** I12, where nothing is on its way. */
  check (): void {
    const { partition } = this.hosted
    const group = partition?.queues?.find('')
    if (partition?.queues?.atRest !== true || group?.isLeading !== true) return
    if (this.queueChecker.checkLeader(group.idle)) this.note('state compared', '')
  }

  private get queueChecker () { return this.checker.queues[this.hosted.index]! }

  private get offsetsChecker () { return this.checker.offsets[this.hosted.index]! }

  /** The group, where it takes anything. */
  private group (): HostedQueueGroup | null {
    const { queues } = this.hosted.partition ?? { queues: null }
    return queues === null || queues.blockedBy !== null ? null : queues.find('')!
  }

  private refuse (reply: Reply<never>): void { reply({ ok: false, leader: this.hosted.leaderHint }) }

  private speaker (group: HostedQueueGroup, sequence: number): Speaker {
    return { epoch: group.idle.state.epoch, sequence, wallMs: this.hosted.host.wallMs() }
  }
}

function handlesOf ({ count, offsets, leaseEpoch, leaseSequences }: Grants): Handle[] {
  const handles: Handle[] = []
  for (let row = 0; row < count; row++) {
    handles.push({ offset: offsets[row]!, leaseEpoch, leaseSequence: leaseSequences[row]! })
  }
  return handles
}
