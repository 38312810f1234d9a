// describeBroker: the state of this broker and its options.

import type { DescribeBrokerRequest, DescribeBrokerResponse } from '@sluice/protocol'
import type { ApiHandler } from '../net/call.js'
import type { BrokerServices } from './services.js'

/** What only the running process knows. */
export interface ProcessFacts {
  startedAtMs: number
  connections (): number
  rssBytes (): number
  eventLoopDelayP99Us (): number
  diskSpace (): Promise<{ freeBytes: number, totalBytes: number }>
}

export function describeBrokerHandler (
  services: BrokerServices, facts: ProcessFacts,
): ApiHandler<DescribeBrokerRequest, DescribeBrokerResponse> {
  return {
    api: 'describeBroker',
    handle (_request, call) {
      const unknownSpace = { freeBytes: -1, totalBytes: -1 }
      void facts.diskSpace().catch(() => unknownSpace).then(space => call.respond(describe(services, facts, space)))
    },
  }
}

function describe (
  services: BrokerServices, facts: ProcessFacts, space: { freeBytes: number, totalBytes: number },
): DescribeBrokerResponse {
  let dataBytes = 0
  let failedPartitions = 0
  for (const { log } of services.partitions.all()) {
    dataBytes += log.sizeBytes
    if (log.state !== 'online') failedPartitions++
  }
  return {
    brokerId: services.brokerId,
    clusterId: services.clusterId,
    version: services.version,
    startedAt: facts.startedAtMs,
    config: [...services.config.settings].sort((a, b) => a.name < b.name ? -1 : 1),
    topics: services.topics.all().length,
    partitions: services.partitions.size,
    failedPartitions,
    connections: facts.connections(),
    dataBytes,
    diskFreeBytes: space.freeBytes,
    diskTotalBytes: space.totalBytes,
    rssBytes: facts.rssBytes(),
    eventLoopDelayP99Us: facts.eventLoopDelayP99Us(),
  }
}
