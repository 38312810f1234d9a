// Sessions in a cluster: one that is opened here is opened at the leaders too, when something is received from them,
// and its heartbeats and its end reach them all.

import {
  ERROR, type CloseSessionRequest, type CloseSessionResponse, type HeartbeatSessionRequest,
  type HeartbeatSessionResponse, type LeaseNotice, type OpenSessionRequest, type OpenSessionResponse,
} from '@sluice/protocol'
import type { Upstream } from '../forward/upstream.js'
import type { ApiHandler } from '../net/call.js'
import { PartCall, type PartAnswer } from './part-call.js'
import { ask, type Router } from './routed-parts.js'
import { shorter } from './routed-receive.js'
import { closeSessionHandler, heartbeatSessionHandler, openSessionHandler } from './sessions.js'

const TIMEOUT_MS = 10_000

export function routedOpenSession (router: Router): ApiHandler<OpenSessionRequest, OpenSessionResponse> {
  const handler = openSessionHandler(router.services)
  return {
    api: 'openSession',
    handle (request, call, frame) {
      handler.handle(request, new PartCall(call, frame, answer => {
        if (!('response' in answer)) return call.fail(answer.code, answer.message, answer.retryAfterMs)
        const { sessionId, token } = answer.response
        router.routeOf(call).sessions.set(sessionId, { ...request, sessionId, token })
        call.respond(answer.response)
      }), frame)
    },
  }
}

export function routedHeartbeat (router: Router): ApiHandler<HeartbeatSessionRequest, HeartbeatSessionResponse> {
  const handler = heartbeatSessionHandler(router.services)
  return {
    api: 'heartbeatSession',
    handle (request, call, frame) {
      const upstreams = router.routeOf(call).upstreamsOf(request.sessionId)
      if (upstreams.length === 0) return handler.handle(request, call, frame)
      let heartbeatMs = -1
      let more = false
      const notices: LeaseNotice[] = []
      let left = upstreams.length + 1
      const take = (answer: PartAnswer<HeartbeatSessionResponse>, upstream?: Upstream): void => {
        if ('response' in answer) {
          heartbeatMs = shorter(heartbeatMs, answer.response.heartbeatMs)
          more ||= answer.response.more
          notices.push(...answer.response.notices)
        } else if (upstream === undefined || answer.code === ERROR.NOT_ENOUGH_REPLICAS) {
          if (!call.answered) call.fail(answer.code, answer.message, answer.retryAfterMs)
          return
        } else {
          // The next receive opens it anew; until then its leases wait for it.
          upstream.sessions.delete(request.sessionId)
        }
        if (--left === 0) call.respond({ heartbeatMs, notices, more })
      }
      handler.handle(request, new PartCall(call, frame, answer => take(answer)), frame)
      for (const upstream of upstreams) {
        ask(upstream, 'heartbeatSession', request, [], router.dueMs(TIMEOUT_MS), answer => take(answer, upstream))
      }
    },
  }
}

export function routedCloseSession (router: Router): ApiHandler<CloseSessionRequest, CloseSessionResponse> {
  const handler = closeSessionHandler(router.services)
  return {
    api: 'closeSession',
    handle (request, call, frame) {
      const route = router.routeOf(call)
      const upstreams = route.upstreamsOf(request.sessionId)
      route.sessions.delete(request.sessionId)
      let left = upstreams.length + 1
      const take = (answer: PartAnswer<CloseSessionResponse>): void => {
        if (!('response' in answer) && !call.answered) call.fail(answer.code, answer.message, answer.retryAfterMs)
        if (--left === 0) call.respond({})
      }
      handler.handle(request, new PartCall(call, frame, take), frame)
      for (const upstream of upstreams) {
        upstream.sessions.delete(request.sessionId)
        ask(upstream, 'closeSession', request, [], router.dueMs(TIMEOUT_MS), take)
      }
    },
  }
}
