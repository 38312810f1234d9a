// describeRedrives: how far redrives have come, and what became of those that have ended.

import {
  ERROR, type DescribeRedrivesRequest, type DescribeRedrivesResponse, type RedriveDescription,
  type RedriveState as StateName,
} from '@sluice/protocol'
import type { HostedRedrive } from '../control/hosted-redrive.js'
import { LIMITS } from '../limits.js'
import type { ApiHandler } from '../net/call.js'
import { REDRIVE_STATE, type RedriveState } from '../queue/redrive-types.js'
import { reasonName } from '../queue-host/reason-names.js'
import type { BrokerServices } from './services.js'

const STATE_NAMES: Readonly<Record<RedriveState, StateName>> = {
  [REDRIVE_STATE.running]: 'running',
  [REDRIVE_STATE.done]: 'done',
  [REDRIVE_STATE.cancelled]: 'cancelled',
  [REDRIVE_STATE.failed]: 'failed',
}

export function redriveStateName (state: RedriveState): StateName { return STATE_NAMES[state] }

export function unknownRedrive (redriveId: string): { error: number, message: string } {
  return { error: ERROR.UNKNOWN_REDRIVE, message: `there is no redrive ${redriveId.slice(0, 40)}, or it has ended long ago; list those that are known` }
}

export function describeRedrivesHandler (
  { redrives }: BrokerServices,
): ApiHandler<DescribeRedrivesRequest, DescribeRedrivesResponse> {
  return {
    api: 'describeRedrives',
    handle ({ redriveIds }, call) {
      if (redriveIds.length > LIMITS.itemsPerQueueRequest) {
        return call.fail(ERROR.INVALID_REQUEST,
          `the request names ${redriveIds.length} redrives; at most ${LIMITS.itemsPerQueueRequest} go into one`)
      }
      if (redriveIds.length === 0) return call.respond({ redrives: redrives.all().map(describe) })
      call.respond({
        redrives: redriveIds.map(redriveId => {
          const job = redrives.find(redriveId)
          return job === undefined ? { ...NOTHING, redriveId, ...unknownRedrive(redriveId) } : describe(job)
        }),
      })
    },
  }
}

function describe ({ spec, status, partitions }: HostedRedrive): RedriveDescription {
  const { redriveId, sourceTopicId, targetTopicId, filter, limit, recordsPerSecond, dryRun, startedBy } = spec
  return {
    error: 0,
    message: status.message,
    redriveId,
    state: redriveStateName(status.state),
    startedAt: spec.startedMs,
    endedAt: status.endedMs,
    startedBy,
    examined: status.examined,
    matched: status.matched,
    moved: status.moved,
    sourceTopicId,
    partitions: [...partitions],
    targetTopicId,
    lane: filter.lane,
    reasons: filter.reasons.map(reasonName),
    fromTimestamp: filter.fromMs,
    toTimestamp: filter.toMs,
    headerName: filter.headerName,
    headerValue: filter.headerValue,
    limit,
    recordsPerSecond,
    dryRun,
  }
}

const NOTHING: RedriveDescription = {
  error: 0,
  message: '',
  redriveId: '',
  state: 'failed',
  startedAt: -1,
  endedAt: -1,
  startedBy: '',
  examined: 0,
  matched: 0,
  moved: 0,
  sourceTopicId: '',
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
}
