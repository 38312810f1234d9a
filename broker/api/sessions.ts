// openSession, heartbeatSession and closeSession.

import {
  ERROR, type CloseSessionRequest, type CloseSessionResponse, type HeartbeatSessionRequest,
  type HeartbeatSessionResponse, type LeaseNotice, type OpenSessionRequest, type OpenSessionResponse,
} from '@sluice/protocol'
import { LIMITS } from '../limits.js'
import type { ApiHandler } from '../net/call.js'
import type { HostedQueueGroup } from '../queue-host/hosted-queue-group.js'
import type { QueueSession } from './queue-session.js'
import type { BrokerServices } from './services.js'

const NAME_LENGTH_MAX = 256

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

export function heartbeatSessionHandler (
  { sessions }: BrokerServices,
): ApiHandler<HeartbeatSessionRequest, HeartbeatSessionResponse> {
  return {
    api: 'heartbeatSession',
    handle ({ sessionId }, call) {
      const session = sessions.find(sessionId, call.connection)
      if (session === null) return call.fail(ERROR.UNKNOWN_SESSION, unknownSession(sessionId))
      session.giveBackUnstarted()
      const notices: LeaseNotice[] = []
      for (const group of session.groups) addNotices(session, group, notices)
      const more = notices.length > LIMITS.itemsPerQueueRequest
      call.respond({
        heartbeatMs: session.heartbeatMs, notices: more ? notices.slice(0, LIMITS.itemsPerQueueRequest) : notices, more,
      })
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

function addNotices (session: QueueSession, group: HostedQueueGroup, notices: LeaseNotice[]): void {
  if (group.isStopped) return
  const { topicId, index: partition } = group.partition
  const name = { topicId, partition, group: group.name }
  const cancelled = group.turn().heartbeat(session.sessionId)
  if (cancelled === null) {
    session.groups.delete(group)
    notices.push({ ...name, kind: 'sessionLost', offset: -1, leaseEpoch: -1, leaseSequence: -1 })
    return
  }
  const { ledger } = group.idle.state
  for (const offset of cancelled) {
    const slot = ledger.find(offset)
    notices.push({
      ...name,
      kind: 'cancelRequested',
      offset,
      leaseEpoch: ledger.leaseEpochs[slot]!,
      leaseSequence: ledger.leaseSequences[slot]!,
    })
  }
}
