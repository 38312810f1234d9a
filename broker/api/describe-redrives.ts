// describeRedrives: how far redrives have come, and what became of those that have ended. Those that run at other
// brokers are asked for there: what is stored of them may be older.

import {
  ERROR, FRAME_FLAG, type DescribeRedrivesRequest, type DescribeRedrivesResponse, type RedriveDescription,
  type RedriveState as StateName,
} from '@sluice/protocol'
import type { OtherBrokers } from '../control/other-brokers.js'
import { unknownRedrive, type KnownRedrive } from '../control/redrives.js'
import { LIMITS } from '../limits.js'
import type { ApiHandler } from '../net/call.js'
import { REDRIVE_STATE, type RedriveState } from '../queue/redrive-types.js'
import { reasonName } from '../queue-host/reason-names.js'
import { failWith } from './fail-with.js'
import type { BrokerServices } from './services.js'

/** Another broker may take so long to say how its redrives stand, in milliseconds. */
const ASK_MS = 2_000

const STATE_NAMES: Readonly<Record<RedriveState, StateName>> = {
  [REDRIVE_STATE.running]: 'running',
  [REDRIVE_STATE.done]: 'done',
  [REDRIVE_STATE.cancelled]: 'cancelled',
  [REDRIVE_STATE.failed]: 'failed',
}

export function redriveStateName (state: RedriveState): StateName { return STATE_NAMES[state] }

export function describeRedrivesHandler (
  services: BrokerServices,
): ApiHandler<DescribeRedrivesRequest, DescribeRedrivesResponse> {
  return {
    api: 'describeRedrives',
    handle ({ redriveIds }, call, { flags }) {
      if (redriveIds.length > LIMITS.itemsPerQueueRequest) {
        return call.fail(ERROR.INVALID_REQUEST,
          `the request names ${redriveIds.length} redrives; at most ${LIMITS.itemsPerQueueRequest} go into one`)
      }
      const others = (flags & FRAME_FLAG.forwarded) === 0 ? services.others : null
      describeAll(services, redriveIds, others).then(redrives => call.respond({ redrives }),
        (cause: Error) => failWith(call, cause))
    },
  }
}

async function describeAll (
  services: BrokerServices, redriveIds: readonly string[], others: OtherBrokers | null,
): Promise<RedriveDescription[]> {
  const { redrives } = services
  const known = redriveIds.length === 0
    ? await redrives.all()
    : await Promise.all(redriveIds.map(redriveId => redrives.find(redriveId)))
  const live = others === null ? new Map<string, RedriveDescription>() : await liveDescriptions(services, others, known)
  return known.map((redrive, index) => {
    if (redrive !== undefined) return live.get(redrive.spec.redriveId) ?? describe(services, redrive)
    const redriveId = redriveIds[index]!
    const { error, message } = unknownRedrive(redriveId)
    return { ...NOTHING, redriveId, error, message }
  })
}

/** What other brokers say of the jobs that they run. Where one does not answer, what is stored has to do. */
async function liveDescriptions (
  services: BrokerServices, others: OtherBrokers, known: readonly (KnownRedrive | undefined)[],
): Promise<Map<string, RedriveDescription>> {
  const idsByBroker = new Map<number, string[]>()
  for (const redrive of known) {
    if (redrive === undefined || redrive.isHere || redrive.status.state !== REDRIVE_STATE.running) continue
    const { spec: { redriveId, sourceTopicId }, partitionAtWork } = redrive
    const leader = others.leaderOf(sourceTopicId, partitionAtWork)
    if (leader < 0 || leader === others.brokerId) continue
    idsByBroker.set(leader, [...idsByBroker.get(leader) ?? [], redriveId])
  }
  const live = new Map<string, RedriveDescription>()
  await Promise.all([...idsByBroker].map(async ([broker, redriveIds]) => {
    try {
      const { forwarded } = FRAME_FLAG
      const answer = await others.request(broker, 'describeRedrives', { redriveIds }, forwarded, ASK_MS)
      for (const description of answer.redrives) {
        if (description.error === 0) live.set(description.redriveId, description)
      }
    } catch (cause) {
      services.logger.debug({ broker, err: cause }, 'a broker did not say how its redrives stand')
    }
  }))
  return live
}

function describe (services: BrokerServices, redrive: KnownRedrive): RedriveDescription {
  const { spec, status, partitions } = redrive
  const { redriveId, sourceTopicId, targetTopicId, filter, limit, recordsPerSecond, dryRun, startedBy } = spec
  return {
    error: 0,
    message: status.message === '' ? waitsFor(services, redrive) : status.message,
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

/** Why nobody runs a job that is to run; empty where somebody does. */
function waitsFor ({ topics, view }: BrokerServices, { spec, status, partitionAtWork, isHere }: KnownRedrive): string {
  if (status.state !== REDRIVE_STATE.running || isHere || partitionAtWork < 0) return ''
  if (view.leaderOf(spec.sourceTopicId, partitionAtWork) >= 0) return ''
  const name = topics.byId(spec.sourceTopicId)?.name ?? spec.sourceTopicId
  return `partition ${name}/${partitionAtWork} of the dead-letter queue has no leader for now; the redrive goes on when it has one`
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
