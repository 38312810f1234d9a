// Any broker takes any request: what another one has to answer it passes on, and relays the answer. So a client that
// knows one address only, or stands behind a load balancer, can do everything; the client of this project goes to the
// leaders itself where it matters.
//
// Who has to answer: the leader of a partition, the coordinator of a group. The coordinator is whoever follows the name
// of the group first on the ring of brokers that can be reached; brokers that do not agree for a moment cost a group a
// new join, since generations come from the control store.

import type { ApiName, MessageOf } from '@sluice/protocol'
import type { ClusterView } from '../control/cluster-view.js'
import type { OtherBrokers } from '../control/other-brokers.js'
import { HashRing } from '../placement/hash-ring.js'
import type { Clock } from '../runtime/clock.js'
import { ForwardLink } from './forward-link.js'

export interface ForwarderOptions {
  readonly brokerId: number
  readonly view: ClusterView
  readonly clock: Clock
}

const TICK_MS = 250

export class Forwarder implements OtherBrokers {
  private readonly options: ForwarderOptions
  private readonly links = new Map<number, ForwardLink>()
  private readonly timer: NodeJS.Timeout
  private ring: { readonly key: string, readonly ring: HashRing } | null = null

  constructor (options: ForwarderOptions) {
    this.options = options
    this.timer = setInterval(() => this.tick(), TICK_MS)
  }

  get brokerId (): number { return this.options.brokerId }

  /** Id of the broker that leads a partition; -1 where that is not known. */
  leaderOf (topicId: string, partition: number): number {
    return this.options.view.leaderOf(topicId, partition)
  }

  /** Under which epoch a partition is led; -1 where that is not known. */
  leaderEpochOf (topicId: string, partition: number): number {
    return this.options.view.leaderEpochOf(topicId, partition)
  }

  /** Id of the broker that coordinates a stream group: this one, where it is not known. */
  coordinatorOf (group: string): number {
    const ids = this.options.view.reachable()
    if (ids.length === 0) return this.brokerId
    const key = ids.join()
    if (this.ring?.key !== key) {
      this.ring = { key, ring: new HashRing(ids.map(brokerId => ({ brokerId, rack: '', capacity: 1 }))) }
    }
    return this.ring.ring.order(`group:${group}`, 0)[0]!.brokerId
  }

  /** Ids of the other brokers that are there. */
  others (): number[] {
    return this.options.view.brokers().map(({ brokerId }) => brokerId).filter(brokerId => brokerId !== this.brokerId)
  }

  /** Asks another broker. @throws ForwardError as a rejection. */
  request<A extends ApiName> (
    brokerId: number, api: A, message: MessageOf<A, 'request'>, flag: number, timeoutMs: number, payload?: Buffer,
  ): Promise<MessageOf<A, 'response'>> {
    const link = this.linkTo(brokerId)
    return link.request(api, message, { flag, timeoutMs, nowMs: this.options.clock.monotonicMs() }, payload)
  }

  close (): void {
    clearInterval(this.timer)
    for (const link of this.links.values()) link.close()
    this.links.clear()
  }

  private linkTo (brokerId: number): ForwardLink {
    const address = this.options.view.addressOf(brokerId) ?? NOWHERE
    const known = this.links.get(brokerId)
    if (known?.address.host === address.host && known.address.port === address.port) return known
    known?.close()
    const link = new ForwardLink({ host: address.host, port: address.port }, `broker-${this.brokerId}`)
    this.links.set(brokerId, link)
    return link
  }

  private tick (): void {
    const nowMs = this.options.clock.monotonicMs()
    for (const link of this.links.values()) link.tick(nowMs)
  }
}

/** Where nobody listens: a broker that has gone is refused at once. */
const NOWHERE = { host: '127.0.0.1', port: 1 }
