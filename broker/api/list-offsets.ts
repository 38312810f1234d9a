// listOffsets: offsets by position or by time.

import { ERROR, type ListOffsetsRequest, type ListOffsetsResponse, type OffsetAnswer, type OffsetQuery } from '@sluice/protocol'
import { LIMITS } from '../limits.js'
import type { ApiHandler } from '../net/call.js'
import type { Partition } from '../partition/partition.js'
import { forEachAtOnce } from '../runtime/for-each-at-once.js'
import { findPartition } from './find-partition.js'
import type { BrokerServices } from './services.js'
import { whenLeading } from './when-leading.js'

export function listOffsetsHandler (services: BrokerServices): ApiHandler<ListOffsetsRequest, ListOffsetsResponse> {
  return {
    api: 'listOffsets',
    handle (request, call) {
      const { partitions } = request
      const timeoutMs = Math.max(1, Math.min(request.timeoutMs, LIMITS.requestTimeoutMs))
      if (partitions.length > LIMITS.partitionsPerRequest) {
        return call.fail(ERROR.INVALID_REQUEST,
          `the request names ${partitions.length} partitions; at most ${LIMITS.partitionsPerRequest} go into one`)
      }
      const answers = new Array<OffsetAnswer>(partitions.length)
      // Few at a time: each lookup by time reads from the disk.
      void forEachAtOnce(partitions.length, LIMITS.timeLookupsAtOnce, index => new Promise<void>(resolve => {
        answer(services, partitions[index]!, timeoutMs, result => {
          answers[index] = result
          resolve()
        })
      })).then(() => call.respond({ partitions: answers }))
    },
  }
}

function answer (
  services: BrokerServices, query: OffsetQuery, timeoutMs: number, done: (answer: OffsetAnswer) => void,
): void {
  const found = findPartition(services, query.topicId, query.partition)
  const base = { topicId: query.topicId, partition: query.partition, error: 0, message: '', offset: -1, timestamp: -1, leaderEpoch: -1 }
  if (found.partition === null) return done({ ...base, error: found.error, message: found.message })
  const { partition } = found
  const leaderEpoch = partition.leaderEpoch
  switch (query.position) {
    case 'earliest': return done({ ...base, offset: partition.log.logStartOffset, leaderEpoch })
    case 'latest':
      return whenLeading(services, partition, timeoutMs, refusal => done(refusal === null
        ? { ...base, offset: partition.highWatermark, leaderEpoch }
        : { ...base, ...refusal }))
    case 'timestamp': return answerByTime(partition, query, { ...base, leaderEpoch }, done)
  }
}

function answerByTime (
  partition: Partition, query: OffsetQuery, base: OffsetAnswer, done: (answer: OffsetAnswer) => void,
): void {
  if (query.timestamp < 0) {
    return done({ ...base, error: ERROR.INVALID_REQUEST, message: `timestamp is ${query.timestamp}; it must be milliseconds since 1970-01-01 UTC` })
  }
  partition.log.findOffsetByTime(query.timestamp, (error, found) => {
    if (error !== null) {
      const message = `looking for a time in ${partition.label} failed: ${error.kind}; run sluice segment verify on the data folder`
      return done({ ...base, error: error.kind === 'corrupt' ? ERROR.CORRUPT_DATA : ERROR.STORAGE_UNAVAILABLE, message })
    }
    const { highWatermark } = partition
    if (found === null || found.offset >= highWatermark) return done({ ...base, offset: highWatermark })
    done({ ...base, offset: found.offset, timestamp: found.timestampMs })
  })
}
