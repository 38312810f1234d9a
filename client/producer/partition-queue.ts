// The batches of one partition, in the order in which they have to reach the log.
//
//   batches:  [ outstanding │ outstanding │ to be sent again or first … │ open ]
//             0                           sendIndex
//
// As many batches are outstanding as the leader remembers of a producer. When one of them fails in a way that a retry
// may cure, nothing more is sent until the answers to the others are in (`recovering`); then all that are unsettled are
// sent again, byte for byte, in order.
// The broker refuses what would leave a gap and answers what it has with the old offset, so nothing is lost, doubled or
// overtaken.
//
// Invariants: only the first batch of the queue may turn out to be behind a gap for good, and only then, with nothing
// outstanding, the queue takes a new identity and starts again at sequence 0.

import type { Identity } from './producer-identity.js'
import type { OutgoingBatch } from './outgoing-batch.js'

/**
 * While so many batches are outstanding, the open one waits for company. The broker syncs two commits at a time: so
 * what comes while one is under way need not wait for its answer, and what comes while two are goes together.
 */
const EAGER_MAX = 2

/** See the head of this file. */
export class PartitionQueue {
  readonly partition: number
  readonly batches: OutgoingBatch[] = []
  /** The batch that takes records, always the last one; null where there is none. */
  open: OutgoingBatch | null = null
  /** Number of the next batch to be sent. */
  sendIndex = 0
  outstanding = 0
  /** Most that may be outstanding: what the leader remembers of a producer. */
  outstandingMax = 1
  /** Nothing is sent until all answers are in and `resumeAtMs` has come. */
  recovering = false
  resumeAtMs = 0
  /** The first batch needs a new identity. */
  rebase = false
  /** A new identity is being asked for. */
  rebasing = false
  identity: Identity | null = null
  nextSequence = 0
  /** It is on the list of queues that the end of the turn looks at. */
  dirty = false
  /** Bytes of its unsettled batches. */
  pendingBytes = 0

  constructor (partition: number) {
    this.partition = partition
  }

  add (batch: OutgoingBatch): void {
    this.batches.push(batch)
    this.open = batch
  }

  closeOpen (): void {
    if (this.open === null) return
    this.open.closed = true
    this.open = null
  }

  /** Takes a settled batch out. */
  remove (batch: OutgoingBatch): void {
    const index = this.batches.indexOf(batch)
    if (index < 0) return
    if (index === 0) this.batches.shift()
    else this.batches.splice(index, 1)
    if (index < this.sendIndex) this.sendIndex--
    if (this.open === batch) this.open = null
  }

  /** Nothing more is sent until the answers are in and `atMs` has come; then everything unsettled goes again. */
  recoverAt (atMs: number): void {
    this.recovering = true
    this.resumeAtMs = Math.max(this.resumeAtMs, atMs)
  }

  /** Another broker leads now: why the last one refused or could not be reached says nothing about it. */
  onNewLeader (): void {
    this.resumeAtMs = 0
  }

  /**
   * When the next batch may be sent: 0 for now, Infinity for not before something else happens, otherwise the time on
   * the monotonic clock.
   */
  readyAtMs (nowMs: number, lingerMs: number): number {
    if (this.rebasing) return Infinity
    if (this.recovering) {
      if (this.outstanding > 0) return Infinity
      if (nowMs < this.resumeAtMs) return this.resumeAtMs
      this.recovering = false
      this.sendIndex = 0
    }
    const next = this.batches[this.sendIndex]
    if (next === undefined || this.outstanding >= this.outstandingMax) return Infinity
    if (next.closed || next.urgent) return 0
    if (this.outstanding >= EAGER_MAX) return Infinity // company may come until an answer is in
    const lingeredAtMs = next.createdAtMs + lingerMs
    return lingeredAtMs <= nowMs ? 0 : lingeredAtMs
  }
}
