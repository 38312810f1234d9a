// Options of a consumer, checked, with the defaults filled in.

import { groupNameFault, topicNameFault } from '@sluice/protocol'
import { BrokerError } from '../broker-error.js'
import { choice, count, invalidOption } from '../client-options.js'
import { checkStart, type Start } from '../start.js'

/** How partitions are dealt out to the members of a group; all members must ask for the same. */
export type AssignorName = 'range' | 'round-robin' | 'sticky' | 'cooperative'

/** Options of `topic.consumer`. */
export interface ConsumerOptions {
  /** Consumers of one group share the partitions of a topic. 1 to 249 characters out of a-z A-Z 0-9 . _ - */
  group: string
  /** Name of this process where it should keep its partitions over a restart within the session timeout. */
  instanceId?: string
  /** Where to begin in partitions for which the group has no committed offset. Default earliest: nothing is missed. */
  from?: Exclude<Start, 'committed'>
  /** Most records handed out and not yet done; 1 or more. Default: no bound but that of the caller. */
  prefetchRecords?: number
  /** Most bytes fetched ahead, divided evenly among the partitions, 64 KiB or more. Default 32 MiB. */
  prefetchBytes?: number
  /**
   * `after` (default): a record is done when the loop body or handler for it is done; `explicit`: when `ack()` is
   * called.
   */
  ack?: 'after' | 'explicit'
  /** How often what is done is committed, in milliseconds. Default 1,000. */
  commitIntervalMs?: number
  /** What `run` does with a record whose handler has failed for the last time. Default throw. */
  onPoison?: 'throw' | 'skip' | 'deadLetter'
  /** Topic for such records, with headers that tell where they come from. Needed for deadLetter. */
  deadLetter?: string
  /**
   * A member that is not heard from for so long loses its partitions, in milliseconds, 1,000 to 1,800,000. Default
   * 30,000.
   */
  sessionTimeoutMs?: number
  /**
   * How long work on a partition may go on when it has to be given up, in milliseconds, 1,000 to 1,800,000. Default
   * 60,000.
   */
  rebalanceTimeoutMs?: number
  /** Default: that of the group, or cooperative: only partitions that move stop. */
  assignor?: AssignorName
  /** How long a fetch waits at the broker for records, in milliseconds. Default 1,000. */
  maxWaitMs?: number
  /** Closes the consumer at once when aborted. */
  signal?: AbortSignal
}

/** Options with nothing left open. */
export interface ConsumerSettings {
  readonly group: string
  readonly instanceId: string | null
  readonly from: Exclude<Start, 'committed'>
  readonly prefetchRecords: number
  readonly prefetchBytes: number
  readonly ack: 'after' | 'explicit'
  readonly commitIntervalMs: number
  readonly onPoison: 'throw' | 'skip' | 'deadLetter'
  readonly deadLetter: string | null
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly assignor: AssignorName | ''
  readonly maxWaitMs: number
}

const KIB = 1024
const HALF_HOUR_MS = 1_800_000

/** @throws BrokerError INVALID naming the option. */
export function resolveConsumerOptions (options: ConsumerOptions): ConsumerSettings {
  const fault = groupNameFault(String(options.group))
  if (fault !== null) throw new BrokerError('INVALID', fault)
  const from = options.from ?? 'earliest'
  checkStart(from)
  if ((from as Start) === 'committed') {
    throw invalidOption('from', 'where to begin without a committed offset: earliest, latest, a Date', from)
  }
  if (options.instanceId === '') throw invalidOption('instanceId', 'a name, or left out', '')
  const onPoison = choice('onPoison', options.onPoison, 'throw', ['throw', 'skip', 'deadLetter'])
  const deadLetter = options.deadLetter ?? null
  if (onPoison === 'deadLetter' && deadLetter === null) {
    throw invalidOption('deadLetter', "the topic for dead letters, since onPoison is 'deadLetter'", deadLetter)
  }
  const deadLetterFault = deadLetter === null ? null : topicNameFault(deadLetter)
  if (deadLetterFault !== null) throw new BrokerError('INVALID', deadLetterFault)
  return {
    group: options.group,
    instanceId: options.instanceId ?? null,
    from,
    prefetchRecords: count('prefetchRecords', options.prefetchRecords, Infinity, 1),
    prefetchBytes: count('prefetchBytes', options.prefetchBytes, 32 * KIB * KIB, 64 * KIB),
    ack: choice('ack', options.ack, 'after', ['after', 'explicit']),
    commitIntervalMs: count('commitIntervalMs', options.commitIntervalMs, 1_000, 1),
    onPoison,
    deadLetter,
    sessionTimeoutMs: count('sessionTimeoutMs', options.sessionTimeoutMs, 30_000, 1_000, HALF_HOUR_MS),
    rebalanceTimeoutMs: count('rebalanceTimeoutMs', options.rebalanceTimeoutMs, 60_000, 1_000, HALF_HOUR_MS),
    assignor: options.assignor === undefined
      ? ''
      : choice('assignor', options.assignor, 'cooperative', ['range', 'round-robin', 'sticky', 'cooperative']),
    maxWaitMs: count('maxWaitMs', options.maxWaitMs, 1_000, 0, 30_000),
  }
}
