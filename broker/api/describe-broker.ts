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

/** A description goes over all partitions and asks the file system: many who ask at once get the same one. */
const FRESH_MS = 100
const UNKNOWN_SPACE = { freeBytes: -1, totalBytes: -1 }

export function describeBrokerHandler (
  services: BrokerServices, facts: ProcessFacts,
): ApiHandler<DescribeBrokerRequest, DescribeBrokerResponse> {
  let takenMs = -Infinity
  let description: Promise<DescribeBrokerResponse>
  return {
    api: 'describeBroker',
    handle (_request, call) {
      const nowMs = services.clock.monotonicMs()
      if (nowMs - takenMs >= FRESH_MS) {
        takenMs = nowMs
        description = facts.diskSpace().catch(() => UNKNOWN_SPACE).then(space => describe(services, facts, space))
      }
      void description.then(answer => call.respond(answer))
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
