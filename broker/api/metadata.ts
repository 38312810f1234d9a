// metadata: the brokers, and who leads the partitions of some topics.

import { ERROR, type MetadataRequest, type MetadataResponse, type TopicMetadata } from '@sluice/protocol'
import type { TopicRecord } from '../control/topic-record.js'
import type { ApiHandler } from '../net/call.js'
import type { BrokerServices } from './services.js'

export function metadataHandler (services: BrokerServices): ApiHandler<MetadataRequest, MetadataResponse> {
  const { topics, view } = services
  return {
    api: 'metadata',
    handle (request, call) {
      const asked = request.topics === null
        ? topics.all().map(record => describe(services, record))
        : request.topics.map(name => {
          const record = topics.byName(name)
          return record === undefined ? unknown(name) : describe(services, record)
        })
      call.respond({
        clusterId: services.clusterId,
        controllerId: view.controllerId,
        timeMs: services.clock.wallMs(),
        brokers: view.brokers(),
        topics: asked,
      })
    },
  }
}

function describe (services: BrokerServices, record: TopicRecord): TopicMetadata {
  return {
    error: 0,
    message: '',
    name: record.name,
    topicId: record.topicId,
    kind: record.kind,
    partitions: services.view.partitionsOf(record),
  }
}

function unknown (name: string): TopicMetadata {
  const message = `there is no topic ${JSON.stringify(name.slice(0, 100))}; create it first, with sluice topic create or sluice queue create`
  return { error: ERROR.UNKNOWN_TOPIC, message, name, topicId: '', kind: 'stream', partitions: [] }
}
