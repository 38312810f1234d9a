// controlQueue: pauses, resumes or purges queue groups, or lets a stopped key go on.

import {
  ERROR, type ControlPartition, type ControlQueueRequest, type ControlQueueResponse, type ControlResult,
} from '@sluice/protocol'
import { LIMITS } from '../limits.js'
import type { ApiHandler } from '../net/call.js'
import { END_CAUSE } from '../queue/queue-types.js'
import type { HostedQueueGroup } from '../queue-host/hosted-queue-group.js'
import { DurableAnswers } from './durable-answers.js'
import { findQueueGroup } from './find-queue-group.js'
import type { BrokerServices } from './services.js'

/** A purge that is asked for again takes what has come meanwhile, too. */
const TIMED_OUT = 'it is not durable yet and may still become so; see by queueStats whether it has, before you ask again'

export function controlQueueHandler (services: BrokerServices): ApiHandler<ControlQueueRequest, ControlQueueResponse> {
  return {
    api: 'controlQueue',
    handle (request, call) {
      const fault = requestFault(request)
      if (fault !== null) return call.fail(ERROR.INVALID_REQUEST, fault)
      const results = request.partitions.map(({ partition }): ControlResult => ({
        partition, error: ERROR.REQUEST_TIMED_OUT, message: TIMED_OUT, changed: false, records: 0,
      }))
      const answers = new DurableAnswers(services, request.timeoutMs, () => call.respond({ results }))
      request.partitions.forEach((item, index) => control(services, request, item, results[index]!, answers))
      answers.start()
    },
  }
}

function requestFault ({ action, lane, partitions, timeoutMs }: ControlQueueRequest): string | null {
  if (timeoutMs < 1 || timeoutMs > LIMITS.requestTimeoutMs) return `timeoutMs is ${timeoutMs}; it must be 1 to ${LIMITS.requestTimeoutMs}`
  if (partitions.length === 0) return 'partitions is empty; name at least one'
  if (partitions.length > LIMITS.itemsPerQueueRequest) {
    return `the request names ${partitions.length} partitions; at most ${LIMITS.itemsPerQueueRequest} go into one`
  }
  const needsLane = action === 'resumeKey' || action === 'skipKey'
  if (needsLane === (lane >= 0)) return null
  return needsLane ? `action ${action} needs the lane of the key` : `lane is ${lane} with action ${action}; it must be -1`
}

function control (
  services: BrokerServices, request: ControlQueueRequest, item: ControlPartition, result: ControlResult,
  answers: DurableAnswers,
): void {
  const found = findQueueGroup(services, item)
  if (found.group === null) {
    Object.assign(result, { error: found.error, message: found.message })
    return
  }
  const expected = answers.expect()
  const done = (isDurable: boolean): void => {
    result.error = isDurable ? 0 : ERROR.STORAGE_UNAVAILABLE
    result.message = isDurable ? '' : 'nobody can tell whether it was kept; send it again'
    expected()
  }
  act(found.group, request, result, done)
}

function act (
  group: HostedQueueGroup, { action, lane }: ControlQueueRequest, result: ControlResult,
  done: (isDurable: boolean) => void,
): void {
  const queue = group.turn()
  const { state } = queue
  switch (action) {
    case 'pause':
    case 'resume':
      result.changed = state.paused !== (action === 'pause')
      return queue.setPaused(action === 'pause', done)
    case 'purge': {
      const before = state.ended[END_CAUSE.purged]!
      if (queue.purge(done)) {
        result.records = state.ended[END_CAUSE.purged]! - before
        result.changed = result.records > 0
        return
      }
      return refuse(result, done)
    }
    case 'resumeKey':
    case 'skipKey': {
      const changed = queue.resumeLane(lane, action === 'skipKey')
      if (changed === null) return refuse(result, done)
      result.changed = changed
      return queue.setPaused(state.paused, done)
    }
  }
}

function refuse (result: ControlResult, done: (isDurable: boolean) => void): void {
  done(true)
  result.error = ERROR.BUSY
  result.message = 'the queue is still finding its place after a start; try again'
}
