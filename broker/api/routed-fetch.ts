// fetch in a cluster: what is not held here comes from the leaders.

import {
  type FetchedPartition, type FetchPartition, type FetchRequest, type FetchResponse,
} from '@sluice/protocol'
import type { ApiHandler, Call } from '../net/call.js'
import { fetchHandler } from './fetch.js'
import { findReadable } from './find-partition.js'
import { gatherInRounds, passOn, type Gathered, type Part, type Router } from './routed-parts.js'

export function routedFetch (router: Router): ApiHandler<FetchRequest, FetchResponse> {
  const { services } = router
  const handler = fetchHandler(services)
  const brokerOf = (item: FetchPartition): number => {
    const isHere = findReadable(services, item.topicId, item.partition).partition !== null
    return isHere ? services.brokerId : router.leaderOf(item)
  }
  return {
    api: 'fetch',
    handle (request, call, frame) {
      const parts = router.partsOf(frame, request.partitions, brokerOf)
      if (parts === null) return handler.handle(request, call, frame)
      const route = router.routeOf(call)
      if (parts.length === 1) return passOn(route.to(parts[0]!.broker), call, frame, router.dueMs(request.maxWaitMs))
      gatherInRounds<'fetch', FetchPartition>(router, handler, {
        parts,
        maxWaitMs: request.maxWaitMs,
        requestFor: ({ items }, _round, maxWaitMs) => ({
          ...request,
          maxWaitMs,
          minBytes: maxWaitMs === 0 ? 0 : 1,
          maxBytes: share(request.maxBytes, parts),
          partitions: items,
        }),
        upstreamOf: broker => route.to(broker),
        finish: (gathered, isLast) => finish(request, gathered, isLast, call),
      }, call, frame)
    },
  }
}

function share (bytes: number, parts: readonly Part<unknown>[]): number {
  return Math.max(1, Math.floor(bytes / parts.length))
}

function finish (
  request: FetchRequest, gathered: readonly Gathered<FetchPartition, FetchResponse>[], isLast: boolean,
  call: Call<FetchResponse>,
): boolean {
  const results: FetchedPartition[] = []
  const payload: Buffer[] = []
  let bytes = 0
  let hasError = false
  for (const { part: { items }, answer } of gathered) {
    if (!('response' in answer)) {
      hasError = true
      for (const item of items) results.push(failed(item, answer))
      continue
    }
    for (const result of answer.response.partitions) {
      results.push(result)
      bytes += result.size
      if (result.error !== 0) hasError = true
    }
    payload.push(...answer.payload ?? [])
  }
  if (bytes < request.minBytes && !hasError && !isLast) return false
  call.respond({ throttleMs: 0, partitions: results }, payload, bytes, () => {
    for (const { answer } of gathered) if ('response' in answer) answer.onSent?.()
  })
  return true
}

function failed (
  { topicId, partition }: FetchPartition, { code, message }: { code: number, message: string },
): FetchedPartition {
  return {
    topicId,
    partition,
    error: code,
    message,
    highWatermark: -1,
    logStartOffset: -1,
    leader: -1,
    leaderEpoch: -1,
    resumeOffset: -1,
    size: 0,
  }
}
