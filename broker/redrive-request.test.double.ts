// What a client asks for that wants all letters of a dead-letter queue back where they came from.

import type { StartRedriveRequest } from '@sluice/protocol'

/** A redrive of everything in `sourceTopicId`, at once and without a bound, but for what `more` says. */
export function redriveRequest (sourceTopicId: string, more: Partial<StartRedriveRequest> = {}): StartRedriveRequest {
  return {
    sourceTopicId,
    partitions: [],
    targetTopicId: '',
    lane: -1,
    reasons: [],
    fromTimestamp: -1,
    toTimestamp: -1,
    headerName: null,
    headerValue: null,
    limit: 0,
    recordsPerSecond: 0,
    dryRun: false,
    ...more,
  }
}
