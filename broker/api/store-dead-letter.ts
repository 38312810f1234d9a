// storeDeadLetter: another broker, which leads a queue, has a dead letter for a partition that is led here.

import type { StoreDeadLetterRequest, StoreDeadLetterResponse } from '@sluice/protocol'
import type { ApiHandler } from '../net/call.js'
import { failWith } from './fail-with.js'
import type { BrokerServices } from './services.js'

export function storeDeadLetterHandler (
  { letters }: BrokerServices,
): ApiHandler<StoreDeadLetterRequest, StoreDeadLetterResponse> {
  return {
    api: 'storeDeadLetter',
    handle (request, call, { bytes, bodyEnd, payloadEnd }) {
      const { topicId, partition, sourceTopicId, sourcePartition, group, offset } = request
      const { sourceEpoch, ask, firstEpoch, diedAt: diedMs, forget } = request
      // It is used when the memory of the frame may be that of another.
      const batch = bodyEnd === payloadEnd ? null : Buffer.from(bytes.subarray(bodyEnd, payloadEnd))
      const name = { topicId: sourceTopicId, partition: sourcePartition, group, offset }
      letters.store({ topicId, partition, name, sourceEpoch, ask, firstEpoch, diedMs, forget, batch }).then(
        stored => call.respond({ offset: stored }), (cause: Error) => failWith(call, cause))
    },
  }
}
