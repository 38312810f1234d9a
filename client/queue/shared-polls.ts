// The long polls of one queue to one leader: receives that wait at the same time share them.
//
//   ask, ask, ask ──(end of turn)──▶ one poll for all of them ──▶ dealt out in the order of asking
//   ask ──▶ queued while as many polls as may are under way ──▶ the next poll, when one has landed
//                 └── those are parked: nothing is there ──▶ a poll beside them, after JOIN_MS
//
// So a receive of a single record costs a share of a request, and its answer a share of a sync.
//
// Invariants: each ask is answered once; each lease goes to one asker, or is left over. Who comes away empty may have
// time left: he asks again.

import { deferred, type Deferred } from '../waiting.js'
import type { Lease } from './lease.js'
import type { PollBounds } from './receiver.js'

/** Polls that leave at once: one is answered while the client is busy with what the other has brought. */
const POLLS_MAX = 2
/** How long an ask waits for the polls under way, in milliseconds; a shorter one has a poll of its own. */
const JOIN_MS = 5
/** Records of one shared poll, at most; a single ask may have more. */
const SHARED_RECORDS_MAX = 1_000

interface Ask<K, V> {
  readonly bounds: PollBounds
  readonly endMs: number
  readonly answer: Deferred<Lease<K, V>[]>
}

/** See the head of this file. */
export class SharedPolls<K, V> {
  private readonly poll: (bounds: PollBounds) => Promise<Lease<K, V>[]>
  private readonly onLeftOver: (leases: Lease<K, V>[]) => void
  private queued: Ask<K, V>[] = []
  private underWay = 0
  private scheduled = false
  private timer: NodeJS.Timeout | null = null

  /**
   * @param poll asks the leader once
   * @param onLeftOver takes leases that no asker has room for
   */
  constructor (
    poll: (bounds: PollBounds) => Promise<Lease<K, V>[]>, onLeftOver: (leases: Lease<K, V>[]) => void,
  ) {
    this.poll = poll
    this.onLeftOver = onLeftOver
  }

  /**
   * Leases within the bounds; empty where nothing came for this asker, which may be before maxWaitMs.
   *
   * @throws BrokerError as a rejection: the poll has failed.
   */
  ask (bounds: PollBounds): Promise<Lease<K, V>[]> {
    // Nobody else's wait may keep it from knowing what is there now.
    if (bounds.maxWaitMs <= JOIN_MS) return this.poll(bounds)
    const answer = deferred<Lease<K, V>[]>()
    this.queued.push({ bounds, endMs: performance.now() + bounds.maxWaitMs, answer })
    if (this.underWay < POLLS_MAX) this.schedule()
    else this.timer ??= setTimeout(this.onParked, JOIN_MS)
    return answer.promise
  }

  /** Who has not been asked for yet comes away empty. */
  close (): void {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
    for (const { answer } of this.queued.splice(0)) answer.resolve([])
  }

  private schedule (): void {
    if (this.scheduled) return
    this.scheduled = true
    setImmediate(this.onTurnEnd)
  }

  private readonly onTurnEnd = (): void => {
    this.scheduled = false
    while (this.queued.length > 0 && this.underWay < POLLS_MAX) this.send(this.takeShare())
    if (this.queued.length > 0) this.timer ??= setTimeout(this.onParked, JOIN_MS)
  }

  /** The polls under way are not answered soon: what came after them is not to wait for that. */
  private readonly onParked = (): void => {
    this.timer = null
    while (this.queued.length > 0) this.send(this.takeShare())
  }

  /** The asks that come first, as many as one poll is for. */
  private takeShare (): Ask<K, V>[] {
    const { queued } = this
    let count = 1
    let records = queued[0]!.bounds.maxRecords
    while (count < queued.length && records + queued[count]!.bounds.maxRecords <= SHARED_RECORDS_MAX) {
      records += queued[count++]!.bounds.maxRecords
    }
    return queued.splice(0, count)
  }

  private send (asks: readonly Ask<K, V>[]): void {
    let maxRecords = 0
    let maxBytes = 0
    let endMs = Infinity
    for (const ask of asks) {
      maxRecords += ask.bounds.maxRecords
      maxBytes = Math.max(maxBytes, ask.bounds.maxBytes)
      endMs = Math.min(endMs, ask.endMs)
    }
    this.underWay++
    this.poll({ maxRecords, maxBytes, maxWaitMs: Math.max(0, endMs - performance.now()) }).then(leases => {
      this.landed()
      this.deal(asks, leases)
    }, (error: unknown) => {
      this.landed()
      for (const { answer } of asks) answer.reject(error)
    })
  }

  private landed (): void {
    this.underWay--
    if (this.queued.length > 0) this.schedule()
  }

  private deal (asks: readonly Ask<K, V>[], leases: Lease<K, V>[]): void {
    // The broker has kept to the bounds, by its own measure.
    if (asks.length === 1) return asks[0]!.answer.resolve(leases)
    let next = 0
    for (const { bounds, answer } of asks) {
      const share: Lease<K, V>[] = []
      let bytes = 0
      while (next < leases.length && share.length < bounds.maxRecords) {
        const lease = leases[next]!
        bytes += lease.sizeBytes
        if (share.length > 0 && bytes > bounds.maxBytes) break
        share.push(lease)
        next++
      }
      answer.resolve(share)
    }
    if (next < leases.length) this.onLeftOver(leases.slice(next))
  }
}
