// Commits how far a consumer has come: what is done is gathered and stored together, one request at a time.

import { ERROR, type OffsetToCommit } from '@sluice/protocol'
import { asBrokerError, BrokerError, serverError } from '../broker-error.js'
import type { Cluster } from '../connection/cluster.js'
import { delay, retryDelayMs, settledWithin } from '../waiting.js'
import type { Assignment } from './assignment.js'
import { isMembershipError, type GroupMember } from './group-member.js'

/** What is done in a partition cannot be committed by this consumer any more. */
export function takenError (partition: number): BrokerError {
  return new BrokerError('REBALANCE', `partition ${partition} was taken by another member before this was committed: ` +
    'its records come again there', { partition })
}

/** See the head of this file. */
export class OffsetCommitter<K, V> {
  private readonly cluster: Cluster
  private readonly topic: string
  private readonly group: string
  private readonly intervalMs: number
  private readonly member: GroupMember
  private readonly assignments: ReadonlyMap<number, Assignment<K, V>>
  private timer: NodeJS.Timeout | null = null
  private chain: Promise<unknown> = Promise.resolve()
  private closed = false

  constructor (
    cluster: Cluster, topic: string, group: string, intervalMs: number, member: GroupMember,
    assignments: ReadonlyMap<number, Assignment<K, V>>,
  ) {
    this.cluster = cluster
    this.topic = topic
    this.group = group
    this.intervalMs = intervalMs
    this.member = member
    this.assignments = assignments
  }

  /** Something is there to be committed: does it within the interval, together with what comes until then. */
  onProgress (): void {
    if (this.timer !== null || this.closed) return
    this.timer = setTimeout(() => {
      this.timer = null
      this.commit([...this.assignments.values()]).catch((cause: unknown) => {
        const error = asBrokerError(cause)
        this.cluster.settings.logger.warn({ group: this.group, topic: this.topic, error: error.message },
          'a commit failed; what is done is committed with the next one')
        if (error.retriable) this.onProgress()
      })
    }, this.intervalMs).unref()
  }

  /**
   * Commits what is done in these partitions, after all commits that were asked for before.
   *
   * @param exact offsets to store instead, by partition.
   * @throws BrokerError as a rejection.
   */
  commit (assignments: readonly Assignment<K, V>[], exact?: ReadonlyMap<number, number>): Promise<void> {
    const result = this.chain.then(() => this.send(assignments, exact))
    this.chain = result.catch(() => {})
    return result
  }

  /**
   * As `commit`, for somebody who relies on it.
   *
   * @throws BrokerError REBALANCE as a rejection, where a partition was taken before what is done in it was stored.
   */
  async commitAll (assignments: readonly Assignment<K, V>[], exact?: ReadonlyMap<number, number>): Promise<void> {
    const wanted = this.offsetsOf(assignments, exact)
    await this.commit(assignments, exact)
    for (const { partition, offset } of wanted) {
      const assignment = assignments.find(one => one.partition === partition)!
      const isStored = exact === undefined ? assignment.committed >= offset : assignment.committed === offset
      if (assignment.isGone && !isStored) throw takenError(partition)
    }
  }

  close (): void {
    this.closed = true
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
  }

  private async send (assignments: readonly Assignment<K, V>[], exact?: ReadonlyMap<number, number>): Promise<void> {
    const deadlineMs = performance.now() + this.cluster.settings.requestTimeoutMs
    for (let attempts = 1; ; attempts++) {
      const offsets = this.offsetsOf(assignments, exact)
      if (offsets.length === 0) return
      try {
        return await this.request(offsets, deadlineMs)
      } catch (cause) {
        const error = asBrokerError(cause)
        const waitMs = retryDelayMs(this.cluster.settings, error, attempts)
        const isLast = attempts >= this.cluster.settings.maxAttempts || performance.now() + waitMs >= deadlineMs
        if (!error.retriable || this.cluster.closing.aborted || isLast) throw error
        if (!isMembershipError(error)) {
          await delay(waitMs, this.cluster.closing)
          continue
        }
        if (error.serverCode === ERROR.UNKNOWN_MEMBER) this.member.rejoin()
        await settledWithin(this.member.nextConfirmation(), Math.max(1, deadlineMs - performance.now()))
      }
    }
  }

  private offsetsOf (assignments: readonly Assignment<K, V>[], exact?: ReadonlyMap<number, number>): OffsetToCommit[] {
    const offsets: OffsetToCommit[] = []
    for (const assignment of assignments) {
      if (assignment.isGone || assignment.cursor === null) continue
      const { topicId, partition, cursor } = assignment
      const offset = exact === undefined ? assignment.dirtyOffset : exact.get(partition) ?? -1
      if (offset < 0) continue
      // Of what nobody has read here nothing is known.
      const leaderEpoch = offset <= cursor.position ? cursor.leaderEpoch : -1
      offsets.push({ topicId, partition, offset, leaderEpoch, metadata: null })
    }
    return offsets
  }

  private async request (offsets: OffsetToCommit[], deadlineMs: number): Promise<void> {
    const { memberId, generation } = this.member
    const { message } = await this.cluster.request('commitOffsets', { group: this.group, memberId, generation, offsets }, {
      maxAttempts: 1, timeoutMs: Math.max(1, deadlineMs - performance.now()), signal: this.cluster.closing,
    })
    let failure: BrokerError | null = null
    for (const result of message.results) {
      const offset = offsets.find(one => one.partition === result.partition && one.topicId === result.topicId)
      if (offset === undefined) continue
      if (result.error === ERROR.NONE) {
        const assignment = this.assignments.get(result.partition)
        if (assignment?.topicId === result.topicId) assignment.committed = offset.offset
        continue
      }
      failure ??= serverError(result.error, result.message, { topic: this.topic, partition: result.partition })
      if (result.error === ERROR.PARTITION_NOT_OWNED) this.member.drop(result.partition)
    }
    if (failure !== null) throw failure
  }
}
