// The identity of an idempotent producer: an id and an epoch that the brokers gave it.
//
// The epoch is raised when a partition has refused a batch because one before it is missing. Each partition moves to
// the new epoch by itself, when nothing of it is in flight any more: brokers know producers per partition.

import type { Cluster } from '../connection/cluster.js'

/** An id with an epoch. One object per epoch, so that `===` tells whether it is still the newest. */
export interface Identity { readonly producerId: number, readonly producerEpoch: number }

const EPOCH_MAX = 65_535

/** See the head of this file. */
export class ProducerIdentity {
  /** The newest, or null before the first. */
  current: Identity | null = null
  private readonly cluster: Cluster
  private asking: Promise<Identity> | null = null

  constructor (cluster: Cluster) {
    this.cluster = cluster
  }

  /**
   * An identity newer than `stale`; null for the first. All who ask at the same time get the same.
   *
   * @throws BrokerError as a rejection.
   */
  newerThan (stale: Identity | null): Promise<Identity> {
    if (this.current !== stale && this.current !== null) return Promise.resolve(this.current)
    this.asking ??= this.ask().finally(() => { this.asking = null })
    return this.asking
  }

  private async ask (): Promise<Identity> {
    // Where the epochs of an id are used up, a new id begins at epoch 0.
    const held = this.current !== null && this.current.producerEpoch < EPOCH_MAX
      ? this.current
      : { producerId: -1, producerEpoch: -1 }
    const { producerId, producerEpoch } = held
    const { message } = await this.cluster.request('initProducer', { producerId, producerEpoch }, {
      signal: this.cluster.closing,
    })
    this.current = { producerId: message.producerId, producerEpoch: message.producerEpoch }
    return this.current
  }
}
