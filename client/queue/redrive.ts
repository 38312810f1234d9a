// A redrive: a job of the broker that moves dead letters back.

import type { QueueFailureReason, RedriveDescription, StartRedriveRequest } from '@sluice/protocol'
import { BrokerError, serverError } from '../broker-error.js'
import type { Cluster } from '../connection/cluster.js'
import { delay } from '../waiting.js'
import { checkTime, whole } from './queue-options.js'

/** Which dead letters to move, where to, and how fast. */
export interface RedriveOptions<K> {
  /** Name of the queue or topic that takes them. Default: where each came from. */
  to?: string
  /** Default all. */
  partitions?: readonly number[]
  /** Only those of this key. */
  key?: K
  /** Only those that were given up for one of these reasons. */
  reasons?: readonly QueueFailureReason[]
  /** Only those that died at this time or later. */
  since?: Date | number
  /** Only those that died before this time. */
  until?: Date | number
  /** Only those with this header; with `value` only where it has that value. */
  header?: { name: string, value?: string }
  /** Most records to move, 1 or more. Default no bound. */
  limit?: number
  /** Most records a second, 1 or more. Default no bound. */
  recordsPerSecond?: number
  /** True to count what matches and move nothing. */
  dryRun?: boolean
}

/** How a redrive stands. */
export type RedriveStatus = Omit<RedriveDescription, 'error' | 'message'> & {
  /** Why it has failed, or what it waits for while it runs; empty otherwise. */
  readonly message: string
}

const LOOK_MS = 200
const COUNT_MAX = 2 ** 31 - 1

/** Builds the request. @throws BrokerError INVALID naming the option. */
export function redriveRequest (
  sourceTopicId: string, targetTopicId: string, lane: number, options: RedriveOptions<unknown>,
): StartRedriveRequest {
  const { since, until, header } = options
  return {
    sourceTopicId,
    targetTopicId,
    lane,
    partitions: [...options.partitions ?? []],
    reasons: [...options.reasons ?? []],
    fromTimestamp: since === undefined ? -1 : checkTime('since', since),
    toTimestamp: until === undefined ? -1 : checkTime('until', until),
    headerName: header?.name ?? null,
    headerValue: header?.value ?? null,
    limit: whole('limit', options.limit, 0, 1, Number.MAX_SAFE_INTEGER),
    recordsPerSecond: whole('recordsPerSecond', options.recordsPerSecond, 0, 1, COUNT_MAX),
    dryRun: options.dryRun ?? false,
  }
}

/** See the head of this file. Made by `queue.redrive()`, or from an id to look after a job of another process. */
export class Redrive {
  readonly id: string
  private readonly cluster: Cluster

  constructor (cluster: Cluster, id: string) {
    this.cluster = cluster
    this.id = id
  }

  /** How it stands. @throws BrokerError as a rejection: INVALID where the broker does not know it any more. */
  async status (options: { signal?: AbortSignal } = {}): Promise<RedriveStatus> {
    const { message } = await this.cluster.request('describeRedrives', { redriveIds: [this.id] }, options)
    const described = message.redrives[0]
    if (described === undefined) throw new BrokerError('PROTOCOL', 'the broker left the redrive out of its answer')
    if (described.error !== 0) throw serverError(described.error, described.message)
    const { error, ...status } = described
    return status
  }

  /** Stops it; what has been moved stays moved. @returns how many records that are. */
  async cancel (options: { signal?: AbortSignal } = {}): Promise<number> {
    const { message } = await this.cluster.request('cancelRedrive', { redriveId: this.id }, options)
    return message.moved
  }

  /**
   * Resolves when it has come to an end.
   *
   * @throws BrokerError as a rejection: INVALID where it has failed, with the broker's reason.
   */
  async done (options: { signal?: AbortSignal } = {}): Promise<RedriveStatus> {
    for (;;) {
      const status = await this.status(options)
      if (status.state === 'failed') throw new BrokerError('INVALID', `redrive ${this.id} has failed: ${status.message}`)
      if (status.state !== 'running') return status
      await delay(LOOK_MS, options.signal)
    }
  }
}
