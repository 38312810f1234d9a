// What a simulated process knows of the others by its connections: who was heard when, and who is gone.
//
//   every half a second a word to each ─▶ heard: found, where it was lost or is another process by now
//   a process that is killed closes its connections ─▶ lost, at once
//   a machine without power says nothing ─▶ its silence tells: SilenceWatch

import { type PeerState, SilenceWatch } from '@sluice/broker/simulation'

export class SimPeers {
  private readonly onLost: (brokerId: number, incarnation: string) => void
  private readonly onFound: (brokerId: number, incarnation: string) => void
  private readonly silence: SilenceWatch
  /** The process that was heard of last, and when; of those that are connected. */
  private readonly heard = new Map<number, { incarnation: string, heardMs: number }>()
  private known: ReadonlySet<number> = new Set()

  constructor (
    onLost: (brokerId: number, incarnation: string) => void, onFound: (brokerId: number, incarnation: string) => void,
  ) {
    this.onLost = onLost
    this.onFound = onFound
    this.silence = new SilenceWatch(onLost, onFound)
  }

  /** The brokers that are registered. */
  get addresses (): ReadonlySet<number> { return this.known }

  setAddresses (brokerIds: Iterable<number>): void {
    this.known = new Set(brokerIds)
    for (const brokerId of this.heard.keys()) if (!this.known.has(brokerId)) this.heard.delete(brokerId)
  }

  onHeard (brokerId: number, incarnation: string, nowMs: number): void {
    if (!this.known.has(brokerId)) return
    const before = this.heard.get(brokerId)
    if (before?.incarnation === incarnation) {
      before.heardMs = nowMs
      return
    }
    this.heard.set(brokerId, { incarnation, heardMs: nowMs })
    this.onFound(brokerId, incarnation)
  }

  /** The other end has closed the connection. */
  onBroken (brokerId: number, incarnation: string): void {
    if (this.heard.get(brokerId)?.incarnation !== incarnation) return
    this.heard.delete(brokerId)
    this.onLost(brokerId, incarnation)
  }

  tick (nowMs: number): void {
    this.silence.tick(nowMs, this.states())
  }

  private states (): PeerState[] {
    return [...this.known].map(brokerId => {
      const heard = this.heard.get(brokerId)
      return { brokerId, incarnation: heard?.incarnation ?? null, heardMs: heard?.heardMs ?? -Infinity }
    })
  }
}
