// describeTopics: settings of topics and the state of every partition.

import {
  ERROR, type DescribeTopicsRequest, type DescribeTopicsResponse, type PartitionDescription, type SettingSource,
  type TopicDescription,
} from '@sluice/protocol'
import { queueSettingsOf, settingsOf, type TopicRecord } from '../control/topic-record.js'
import type { ApiHandler } from '../net/call.js'
import type { Partition } from '../partition/partition.js'
import type { BrokerServices } from './services.js'

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
    partitions: services.partitions.partitionsOf(record.topicId)
      .map(partition => describePartition(partition, services.brokerId)),
  }
}

function sourceOf (name: string, record: TopicRecord, brokerDefaults: Readonly<Record<string, string>>): SettingSource {
  if (Object.hasOwn(record.overrides, name)) return 'topic'
  return Object.hasOwn(brokerDefaults, name) ? 'broker' : 'default'
}

function describePartition (partition: Partition, brokerId: number): PartitionDescription {
  const { log } = partition
  return {
    partition: partition.index,
    leader: brokerId,
    leaderEpoch: partition.leaderEpoch,
    replicas: [brokerId],
    logStartOffset: log.logStartOffset,
    highWatermark: partition.highWatermark,
    nextOffset: log.nextOffset,
    sizeBytes: log.sizeBytes,
    segments: log.segmentCount,
    state: log.state,
    stateReason: log.stateReason,
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
