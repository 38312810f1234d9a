// deleteRecords: moves the start of partitions forward.

import {
  ERROR, type DeleteRecordsPartition, type DeleteRecordsRequest, type DeleteRecordsResponse, type DeleteRecordsResult,
} from '@sluice/protocol'
import { LIMITS } from '../limits.js'
import type { ApiHandler } from '../net/call.js'
import { findPartition } from './find-partition.js'
import type { BrokerServices } from './services.js'

export function deleteRecordsHandler (
  services: BrokerServices,
): ApiHandler<DeleteRecordsRequest, DeleteRecordsResponse> {
  return {
    api: 'deleteRecords',
    handle (request, call) {
      const count = request.partitions.length
      if (count > LIMITS.partitionsPerRequest) {
        return call.fail(ERROR.INVALID_REQUEST,
          `the request names ${count} partitions; at most ${LIMITS.partitionsPerRequest} go into one`)
      }
      void Promise.all(request.partitions.map(item => deleteIn(services, item)))
        .then(results => call.respond({ partitions: results }))
    },
  }
}

async function deleteIn (services: BrokerServices, item: DeleteRecordsPartition): Promise<DeleteRecordsResult> {
  const { topicId, partition: index, beforeOffset } = item
  const found = findPartition(services, topicId, index)
  const answer = (error: number, message: string, logStartOffset: number): DeleteRecordsResult =>
    ({ topicId, partition: index, error, message, logStartOffset })
  if (found.partition === null) return answer(found.error, found.message, -1)
  const { log, highWatermark, label } = found.partition
  const target = beforeOffset === -1 ? highWatermark : beforeOffset
  if (target < 0 || target > highWatermark) {
    return answer(ERROR.OFFSET_OUT_OF_RANGE,
      `offset ${beforeOffset} is above the high watermark ${highWatermark} of ${label}; use up to that, or -1 for all`,
      log.logStartOffset)
  }
  try {
    // Where the flush policy leaves syncing for later: what is deleted has to be on the disk first.
    if (target > log.durableOffset) await log.flush()
    if (target > log.durableOffset) return answer(ERROR.STORAGE_UNAVAILABLE, `${label} cannot be synced: ${log.stateReason}; retry`, log.logStartOffset)
    if (target > log.logStartOffset) await log.setStartOffset(target)
    return answer(0, '', log.logStartOffset)
  } catch (cause) {
    return answer(ERROR.STORAGE_UNAVAILABLE, `the new start of ${label} could not be stored: ${(cause as Error).message}; retry`, log.logStartOffset)
  }
}
