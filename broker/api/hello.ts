// hello: the first request on a connection.

import { API_KEY, API_VERSIONS, BATCH_BYTES_MAX, type ApiName, type HelloRequest, type HelloResponse } from '@sluice/protocol'
import { LIMITS } from '../limits.js'
import type { ApiHandler } from '../net/call.js'
import type { BrokerServices } from './services.js'

export function helloHandler (
  services: BrokerServices, served: () => readonly ApiName[],
): ApiHandler<HelloRequest, HelloResponse> {
  return {
    api: 'hello',
    handle (request, call) {
      const { config } = services
      call.connection.hello = request
      call.respond({
        clusterId: services.clusterId,
        brokerId: services.brokerId,
        brokerVersion: services.version,
        apis: served().map(name => ({
          api: API_KEY[name], name, minVersion: API_VERSIONS[name].min, maxVersion: API_VERSIONS[name].max,
        })),
        features: 0,
        mechanisms: [],
        maxFrameBytes: config.maxFrameBytes,
        maxRecordBatchBytes: Math.min(BATCH_BYTES_MAX, config.maxFrameBytes - LIMITS.frameOverheadBytes),
        maxInFlightRequests: config.maxInFlightRequests,
        maxInFlightBytes: config.maxInFlightBytes,
        rememberedBatches: LIMITS.batchesPerProducer,
        maxRecordsPerReceive: LIMITS.recordsPerReceive,
        maxRecordsPerSettle: LIMITS.recordsPerSettle,
        maxItemsPerRequest: LIMITS.itemsPerQueueRequest,
        timeMs: services.clock.wallMs(),
      })
    },
  }
}
