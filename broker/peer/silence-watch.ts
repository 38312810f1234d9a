// Tells of brokers that are connected and say nothing. A process that stands still keeps its connections: only its
// silence tells.

import type { PeerState } from './peers.js'

/** A broker that is connected and says nothing for so long is taken for gone; each says something twice a second. */
const SILENT_MS = 1_500
/** This process has stood still itself: what it has not heard meanwhile may be waiting in its sockets. */
const STALLED_MS = 500

export class SilenceWatch {
  private readonly onLost: (brokerId: number, incarnation: string) => void
  private readonly onFound: (brokerId: number, incarnation: string) => void
  /** Brokers that were said to be gone, with the process. */
  private readonly silent = new Map<number, string>()
  private tickedMs = -Infinity

  constructor (
    onLost: (brokerId: number, incarnation: string) => void, onFound: (brokerId: number, incarnation: string) => void,
  ) {
    this.onLost = onLost
    this.onFound = onFound
  }

  /** To be called every few tens of milliseconds, with how each broker stands. */
  tick (nowMs: number, states: Iterable<PeerState>): void {
    const hasStalled = nowMs - this.tickedMs > STALLED_MS
    this.tickedMs = nowMs
    if (hasStalled) return
    for (const { brokerId, incarnation, heardMs } of states) {
      const isSilent = incarnation !== null && Number.isFinite(heardMs) && nowMs - heardMs > SILENT_MS
      if (isSilent === this.silent.has(brokerId)) continue
      if (isSilent) {
        this.silent.set(brokerId, incarnation)
        this.onLost(brokerId, incarnation)
      } else {
        this.silent.delete(brokerId)
        if (incarnation !== null) this.onFound(brokerId, incarnation)
      }
    }
  }
}
