// describeTopics: settings of topics and the state of every partition.

import {
  ERROR, type DescribeTopicsRequest, type DescribeTopicsResponse, type PartitionDescription, type SettingSource,
  type TopicDescription,
} from '@sluice/protocol'
import { queueSettingsOf, settingsOf, type TopicRecord } from '../control/topic-record.js'
import type { ApiHandler } from '../net/call.js'
import type { PartitionView } from '../control/cluster-view.js'
import { findReadable } from './find-partition.js'
import type { BrokerServices } from './services.js'

const NO_LEADER = 'no broker leads it now'

export function describeTopicsHandler (
  services: BrokerServices,
): ApiHandler<DescribeTopicsRequest, DescribeTopicsResponse> {
  return {
    api: 'describeTopics',
    handle (request, call) {
      const names = request.names ?? services.topics.all().map(record => record.name)
      call.respond({
        topics: names.map(name => {
          const record = services.topics.byName(name)
          return record === undefined ? unknown(name) : describe(services, record)
        }),
      })
    },
  }
}

function describe (services: BrokerServices, record: TopicRecord): TopicDescription {
  const ofQueue = record.kind === 'queue' ? queueSettingsOf(record) : {}
  const all = { ...settingsOf(record, services.config.topicDefaults), ...ofQueue }
  const settings = Object.entries(all).sort(([a], [b]) => a < b ? -1 : 1)
  return {
    name: record.name,
    error: 0,
    message: '',
    topicId: record.topicId,
    kind: record.kind,
    createdAt: record.createdAt,
    replicationFactor: record.replicationFactor,
    config: settings.map(([name, value]) =>
      ({ name, value, source: sourceOf(name, record, services.config.topicDefaults) })),
    partitions: services.view.partitionsOf(record).map(view => describePartition(services, record, view)),
  }
}

function sourceOf (name: string, record: TopicRecord, brokerDefaults: Readonly<Record<string, string>>): SettingSource {
  if (Object.hasOwn(record.overrides, name)) return 'topic'
  return Object.hasOwn(brokerDefaults, name) ? 'broker' : 'default'
}

/** A partition as its leader knows it, or as this broker's replica does; one that is held elsewhere has no figures. */
function describePartition (
  services: BrokerServices, { topicId }: TopicRecord, view: PartitionView,
): PartitionDescription {
  const found = findReadable(services, topicId, view.partition).partition
  const isOffline = view.leader < 0
  if (found === null) {
    return {
      ...view,
      logStartOffset: -1,
      highWatermark: -1,
      nextOffset: -1,
      sizeBytes: -1,
      segments: -1,
      state: isOffline ? 'offline' : 'online',
      stateReason: isOffline ? NO_LEADER : '',
      quarantined: [],
    }
  }
  const { log } = found
  return {
    ...view,
    logStartOffset: log.logStartOffset,
    highWatermark: found.highWatermark,
    nextOffset: log.nextOffset,
    sizeBytes: log.sizeBytes,
    segments: log.segmentCount,
    state: isOffline ? 'offline' : log.state,
    stateReason: isOffline ? NO_LEADER : log.stateReason,
    quarantined: log.quarantined.map(({ from, to }) => ({ from, to })),
  }
}

function unknown (name: string): TopicDescription {
  return {
    name,
    error: ERROR.UNKNOWN_TOPIC,
    message: `there is no topic ${JSON.stringify(name.slice(0, 100))}; see sluice topic list`,
    topicId: '',
    kind: 'stream',
    createdAt: 0,
    replicationFactor: 0,
    config: [],
    partitions: [],
  }
}
