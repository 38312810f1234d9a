// receive and peekRecords in a cluster: records of queues come from the leaders of their partitions, to the session
// that the client has opened here.

import {
  ERROR, type PeekRecordsRequest, type PeekRecordsResponse, type ReceivedPartition, type ReceivePartition,
  type ReceiveRequest, type ReceiveResponse,
} from '@sluice/protocol'
import type { ApiHandler, Call } from '../net/call.js'
import { peekRecordsHandler } from './peek-records.js'
import { receiveFault, receiveHandler } from './receive.js'
import { gatherInRounds, passOn, type Gathered, type Part, type Router } from './routed-parts.js'
import { unknownSession } from './sessions.js'

const PEEK_MS = 30_000

export function routedReceive (router: Router): ApiHandler<ReceiveRequest, ReceiveResponse> {
  const handler = receiveHandler(router.services)
  return {
    api: 'receive',
    handle (request, call, frame) {
      const parts = router.partsOf(frame, request.partitions, item => router.leaderOf(item))
      if (parts === null || receiveFault(request) !== null) return handler.handle(request, call, frame)
      const { sessionId, maxWaitMs } = request
      const route = router.routeOf(call)
      // A session that this connection does not hold could be anybody's.
      if (!route.sessions.has(sessionId)) return call.fail(ERROR.UNKNOWN_SESSION, unknownSession(sessionId))
      if (parts.length === 1) {
        return passOn(route.inSession(parts[0]!.broker, sessionId), call, frame, router.dueMs(maxWaitMs))
      }
      gatherInRounds<'receive', ReceivePartition>(router, handler, {
        parts,
        maxWaitMs,
        requestFor: (part, round, waitMs) => requestFor(request, parts, part, round, waitMs),
        upstreamOf: broker => route.inSession(broker, sessionId),
        finish: (gathered, isLast) => finish(gathered, isLast, call),
      }, call, frame)
    },
  }
}

/** What is asked for is shared out, so that no more is leased than was asked for; a remainder goes round. */
function requestFor (
  request: ReceiveRequest, parts: readonly Part<ReceivePartition>[], part: Part<ReceivePartition>, round: number,
  maxWaitMs: number,
): ReceiveRequest | null {
  const count = parts.length
  const turn = (parts.indexOf(part) + round) % count
  const maxRecords = Math.floor(request.maxRecords / count) + (turn < request.maxRecords % count ? 1 : 0)
  if (maxRecords === 0) return null
  const maxBytes = Math.max(1, Math.floor(request.maxBytes / count))
  return { ...request, maxRecords, maxBytes, maxWaitMs, partitions: part.items }
}

function finish (
  gathered: readonly Gathered<ReceivePartition, ReceiveResponse>[], isLast: boolean, call: Call<ReceiveResponse>,
): boolean {
  const partitions: ReceivedPartition[] = []
  const payload: Buffer[] = []
  let bytes = 0
  let heartbeatMs = -1
  for (const { part: { items }, answer } of gathered) {
    if (!('response' in answer)) {
      for (const item of items) partitions.push(failed(item, answer))
      continue
    }
    heartbeatMs = shorter(heartbeatMs, answer.response.heartbeatMs)
    partitions.push(...answer.response.partitions)
    for (const buffer of answer.payload ?? []) {
      payload.push(buffer)
      bytes += buffer.length
    }
  }
  if (partitions.length === 0 && !isLast) return false
  call.respond({ heartbeatMs, partitions }, payload, bytes, () => {
    for (const { answer } of gathered) if ('response' in answer) answer.onSent?.()
  })
  return true
}

/** The shorter of two times between heartbeats; negative where none is needed. */
export function shorter (a: number, b: number): number {
  if (a < 0 || b < 0) return Math.max(a, b)
  return Math.min(a, b)
}

function failed (
  { topicId, partition, group }: ReceivePartition, { code, message }: { code: number, message: string },
): ReceivedPartition {
  return {
    topicId,
    partition,
    group,
    error: code,
    message,
    leader: -1,
    leaderEpoch: -1,
    leaseEpoch: -1,
    visibilityMs: 0,
    disconnectGraceMs: 0,
    leases: [],
    size: 0,
  }
}

export function routedPeek (router: Router): ApiHandler<PeekRecordsRequest, PeekRecordsResponse> {
  const handler = peekRecordsHandler(router.services)
  return {
    api: 'peekRecords',
    handle (request, call, frame) {
      const parts = router.partsOf(frame, [request], place => router.leaderOf(place))
      if (parts === null) return handler.handle(request, call, frame)
      passOn(router.routeOf(call).to(parts[0]!.broker), call, frame, router.dueMs(PEEK_MS))
    },
  }
}
