// The network between brokers, and between clients and brokers: late, lossy, doubled, out of order, and cut, both ways
// or one. A message never reaches a later process than the one it was sent to, as with a connection.

import type { ReplicaMessage } from '@sluice/broker/simulation'
import type { SeededRandom } from '../crash/seeded-random.js'
import type { EventLog } from './event-log.js'
import type { EventQueue } from './event-queue.js'
import type { SwarmOptions } from './swarm-options.js'

/** A client's place on the network: no link to it is ever cut, its messages are late and lost like all. */
export const CLIENT = -1

/** Who receives. */
export interface NetworkPeer {
  readonly incarnation: string
  onMessage (from: number, partition: number, message: ReplicaMessage): void
}

export class SimNetwork {
  isCalm = false
  private readonly queue: EventQueue
  private readonly random: SeededRandom
  private readonly options: SwarmOptions['network']
  private readonly log: EventLog
  private readonly peerOf: (brokerId: number) => NetworkPeer | null
  /** Directed links that carry nothing. */
  private readonly cuts = new Set<number>()

  constructor (
    queue: EventQueue, random: SeededRandom, options: SwarmOptions['network'], log: EventLog,
    peerOf: (brokerId: number) => NetworkPeer | null,
  ) {
    this.queue = queue
    this.random = random
    this.options = options
    this.log = log
    this.peerOf = peerOf
  }

  cut (from: number, to: number): void { this.cuts.add(linkOf(from, to)) }
  mend (from: number, to: number): void { this.cuts.delete(linkOf(from, to)) }
  mendAll (): void { this.cuts.clear() }
  isCut (from: number, to: number): boolean { return this.cuts.has(linkOf(from, to)) }

  send (from: number, to: number, partition: number, message: ReplicaMessage): void {
    const peer = this.peerOf(to)
    if (peer === null) return
    const { incarnation } = peer
    const { corruptShare } = this.options
    const sent = !this.isCalm && corruptShare > 0 && this.random.chance(corruptShare)
      ? corrupted(message, this.random)
      : message
    this.carry(from, to, () => {
      const receiver = this.peerOf(to)
      if (receiver?.incarnation !== incarnation) return
      this.log.add(this.queue.nowMs, message.kind, `${partition} ${from}>${to} e${message.epoch}`)
      receiver.onMessage(from, partition, sent)
    })
  }

  /** Runs `deliver` at the other end: once, later, twice, or never. */
  carry (from: number, to: number, deliver: () => void): void {
    if (this.isCut(from, to)) return
    const { lossShare, duplicateShare } = this.options
    if (!this.isCalm && this.random.chance(lossShare)) return
    this.queue.after(this.delayMs(), deliver)
    if (!this.isCalm && this.random.chance(duplicateShare)) this.queue.after(this.delayMs(), deliver)
  }

  private delayMs (): number {
    const { delayMs, jitterMs, lateShare, lateMs } = this.options
    if (!this.isCalm && this.random.chance(lateShare)) return this.random.next() * lateMs
    return delayMs * (0.5 + this.random.next()) + this.random.next() * jitterMs
  }
}

/** A link by its ends, of which the lowest is the clients'. */
function linkOf (from: number, to: number): number { return (from - CLIENT) * 1_000 + to - CLIENT }

/** The message with one bit of its batches flipped; as it was where it carries none. */
function corrupted (message: ReplicaMessage, random: SeededRandom): ReplicaMessage {
  const flip = (buffers: readonly Buffer[]): readonly Buffer[] => {
    if (buffers.length === 0) return buffers
    const copy = Buffer.concat(buffers)
    copy[random.between(0, copy.length)]! ^= 1 << random.between(0, 8)
    return [copy]
  }
  if (message.kind === 'pulled' && message.buffers !== null) return { ...message, buffers: flip(message.buffers) }
  if (message.kind !== 'fetched') return message
  const parts = message.parts.map(part => part.kind === 'records' ? { ...part, buffers: flip(part.buffers) } : part)
  return { ...message, parts }
}
