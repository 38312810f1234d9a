// commitOffsets: stores how far a group has read, and answers when all of it is durable.
//
// Whether the member may commit is decided here, in the turn in which the request arrives; the order of the commits of
// a partition is that of these decisions. So a commit that was allowed is never stored after one of a later owner.

import {
  ERROR, groupNameFault, type CommitOffsetsRequest, type CommitOffsetsResponse, type CommitResult, type OffsetToCommit,
} from '@sluice/protocol'
import { LIMITS } from '../limits.js'
import type { ApiHandler, Call } from '../net/call.js'
import { findPartition } from './find-partition.js'
import type { BrokerServices } from './services.js'

/** @param knowsMembers false in a cluster, where the coordinator of the group has looked at the member already. */
export function commitOffsetsHandler (
  services: BrokerServices, knowsMembers = true,
): ApiHandler<CommitOffsetsRequest, CommitOffsetsResponse> {
  return {
    api: 'commitOffsets',
    handle (request, call) {
      const fault = groupNameFault(request.group) ?? countFault(request)
      if (fault !== null) return call.fail(ERROR.INVALID_REQUEST, fault)
      new OffsetCommits(services, request, call, knowsMembers).start()
    },
  }
}

function countFault ({ offsets }: CommitOffsetsRequest): string | null {
  if (offsets.length <= LIMITS.partitionsPerRequest) return null
  return `the request names ${offsets.length} partitions; at most ${LIMITS.partitionsPerRequest} go into one`
}

/** One request until all of its offsets are stored or refused. */
class OffsetCommits {
  private readonly services: BrokerServices
  private readonly request: CommitOffsetsRequest
  private readonly call: Call<CommitOffsetsResponse>
  private readonly knowsMembers: boolean
  private readonly results: CommitResult[]
  /** Offsets not answered yet, and one for the request while it is being taken in. */
  private waiting: number

  constructor (
    services: BrokerServices, request: CommitOffsetsRequest, call: Call<CommitOffsetsResponse>, knowsMembers: boolean,
  ) {
    this.knowsMembers = knowsMembers
    this.services = services
    this.request = request
    this.call = call
    this.results = request.offsets.map(({ topicId, partition }) => ({ topicId, partition, error: 0, message: '' }))
    this.waiting = request.offsets.length + 1
  }

  start (): void {
    this.request.offsets.forEach((item, i) => this.commit(item, this.results[i]!))
    this.settle()
  }

  private commit (item: OffsetToCommit, result: CommitResult): void {
    const { group, memberId, generation } = this.request
    const { topicId, partition: index, offset, leaderEpoch, metadata } = item
    const done = (error: number, message: string): void => {
      result.error = error
      result.message = message
      this.settle()
    }
    const fault = itemFault(item)
    if (fault !== null) return done(ERROR.INVALID_REQUEST, fault)
    const found = findPartition(this.services, topicId, index)
    if (found.partition === null) return done(found.error, found.message)
    if (this.knowsMembers) {
      const refusal = this.services.groups.table.commitRefusal(group, memberId, generation, topicId, index)
      if (refusal !== null) return done(refusal.error, refusal.message)
    } else if (generation !== -1 && (found.partition.committedOffset(group)?.generation ?? -1) > generation) {
      // Allowed by a coordinator that another one has taken the group from since.
      return done(ERROR.STALE_GENERATION, `group ${group} is past generation ${generation}; join again`)
    }
    const committedAt = this.services.clock.wallMs()
    found.partition.commitOffset(
      group, offset === -1 ? null : { offset, leaderEpoch, metadata, generation, committedAt }, done)
  }

  private settle (): void {
    if (--this.waiting === 0) this.call.respond({ results: this.results })
  }
}

function itemFault ({ offset, metadata }: OffsetToCommit): string | null {
  if (offset < -1) return `offset is ${offset}; it must be 0 or more, or -1 to remove the stored one`
  if (metadata !== null && metadata.length > LIMITS.offsetMetadataLength) {
    return `metadata has ${metadata.length} characters; at most ${LIMITS.offsetMetadataLength} are stored`
  }
  return null
}
