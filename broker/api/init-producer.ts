// initProducer: a new producer id, or the next epoch of one.

import { ERROR, type InitProducerRequest, type InitProducerResponse } from '@sluice/protocol'
import type { ApiHandler } from '../net/call.js'
import type { BrokerServices } from './services.js'

const EPOCH_MAX = 0xffff

export function initProducerHandler (services: BrokerServices): ApiHandler<InitProducerRequest, InitProducerResponse> {
  return {
    api: 'initProducer',
    handle (request, call) {
      const { producerId, producerEpoch } = request
      if (producerId >= 0 && (producerEpoch < 0 || producerEpoch > EPOCH_MAX)) {
        return call.fail(ERROR.INVALID_REQUEST, `producerEpoch is ${producerEpoch}; it must be 0 to ${EPOCH_MAX} with a producer id`)
      }
      // The epoch belongs to the holder of the id. Partitions learn of it from its first batch.
      if (producerId >= 0 && producerEpoch < EPOCH_MAX) {
        return call.respond({ producerId, producerEpoch: producerEpoch + 1 })
      }
      services.producerIds.next().then(
        id => call.respond({ producerId: id, producerEpoch: 0 }),
        (cause: Error) => call.fail(ERROR.STORAGE_UNAVAILABLE, `no producer id could be reserved: ${cause.message}; retry with back-off`))
    },
  }
}
