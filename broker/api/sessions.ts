// openSession, heartbeatSession and closeSession.

import {
  ERROR, type CloseSessionRequest, type CloseSessionResponse, type HeartbeatSessionRequest,
  type HeartbeatSessionResponse, type LeaseNotice, type OpenSessionRequest, type OpenSessionResponse,
} from '@sluice/protocol'
import { LIMITS } from '../limits.js'
import type { ApiHandler } from '../net/call.js'
import { NOTICE_KIND, type NoticeKind } from '../queue/lease-notices.js'
import type { HostedQueueGroup } from '../queue-host/hosted-queue-group.js'
import type { QueueSession } from './queue-session.js'
import type { BrokerServices } from './services.js'

const NAME_LENGTH_MAX = 256
const NOTICE_NAMES: Readonly<Record<NoticeKind, LeaseNotice['kind']>> = {
  [NOTICE_KIND.cancelRequested]: 'cancelRequested',
  [NOTICE_KIND.lost]: 'lost',
}

export function openSessionHandler ({ sessions }: BrokerServices): ApiHandler<OpenSessionRequest, OpenSessionResponse> {
  return {
    api: 'openSession',
    handle (request, call) {
      if (request.clientName.length > NAME_LENGTH_MAX) {
        return call.fail(ERROR.INVALID_REQUEST, `clientName has ${request.clientName.length} characters; at most ${NAME_LENGTH_MAX} are allowed`)
      }
      const opened = sessions.open(request, call.connection)
      if ('error' in opened) return call.fail(opened.error, opened.message)
      const { session, token } = opened
      call.respond({ sessionId: session.sessionId, token, heartbeatMs: session.heartbeatMs })
    },
  }
}

/**
 * A leader that hears no majority may have been followed by another one, at which the grace of the session is running:
 * it affirms nothing, so that who works under the session stops in time. Here the leases stay as they are.
 */
export function heartbeatSessionHandler (
  { sessions, partitions }: BrokerServices,
): ApiHandler<HeartbeatSessionRequest, HeartbeatSessionResponse> {
  const isAlone = ({ isStopped, partition: { topicId, index } }: HostedQueueGroup): boolean =>
    !isStopped && partitions.find(topicId, index)?.queues?.blockedBy === 'no-quorum'
  return {
    api: 'heartbeatSession',
    handle ({ sessionId }, call) {
      const session = sessions.find(sessionId, call.connection)
      if (session === null) return call.fail(ERROR.UNKNOWN_SESSION, unknownSession(sessionId))
      session.giveBackUnstarted()
      const notices: LeaseNotice[] = []
      const alone = [...session.groups].find(isAlone)
      if (alone !== undefined && session.heartbeatMs >= 0) {
        for (const group of session.groups) if (!group.isStopped) group.turn().heartbeat(sessionId)
        return call.fail(ERROR.NOT_ENOUGH_REPLICAS, `a majority of the replicas of ${alone.partition.label} cannot be reached; whether this broker still leads it is not known`)
      }
      let more = false
      for (const group of session.groups) more = addNotices(session, group, notices) || more
      call.respond({ heartbeatMs: session.heartbeatMs, notices, more })
    },
  }
}

export function closeSessionHandler (
  { sessions }: BrokerServices,
): ApiHandler<CloseSessionRequest, CloseSessionResponse> {
  return {
    api: 'closeSession',
    handle ({ sessionId }, call) {
      const session = sessions.find(sessionId, call.connection)
      if (session === null) return call.fail(ERROR.UNKNOWN_SESSION, unknownSession(sessionId))
      sessions.close(session)
      call.respond({})
    },
  }
}

export function unknownSession (sessionId: number): string {
  return `session ${sessionId} is not open on this connection; open it with its token, or begin a new one`
}

/** Keeps the session alive in a group and adds what it is to be told there; true where that was not all. */
function addNotices (session: QueueSession, group: HostedQueueGroup, notices: LeaseNotice[]): boolean {
  if (group.isStopped) {
    session.forget(group)
    return false
  }
  const { topicId, index: partition } = group.partition
  const name = { topicId, partition, group: group.name }
  const queue = group.turn()
  const room = LIMITS.itemsPerQueueRequest - notices.length
  if (!queue.heartbeat(session.sessionId)) {
    if (room <= 0) return true
    session.groups.delete(group)
    notices.push({ ...name, kind: 'sessionLost', offset: -1, leaseEpoch: -1, leaseSequence: -1 })
    return false
  }
  // Without room nobody looks: the next heartbeat, at once, does.
  if (room <= 0) return true
  const told = queue.noticesFor(session.sessionId, room)
  for (const { kind, offset, leaseEpoch, leaseSequence } of told.notices) {
    notices.push({ ...name, kind: NOTICE_NAMES[kind], offset, leaseEpoch, leaseSequence })
  }
  return told.more
}
