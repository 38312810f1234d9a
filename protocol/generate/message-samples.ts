// Sample messages: for every message one that is as small as can be, one as it looks in practice, and one with every
// field at its border. The first and the last follow from the schema; those of practice are written here and serve the
// examples in PROTOCOL.md as well.
//
// One sample a line or two: a line for each field would bury what the samples differ in.
/* eslint @stylistic/object-property-newline: 'off' */

import { LONG_MAX, LONG_MIN, type AvroSchema } from '../avro-guard.js'
import type { DeadLetterNote } from '../dead-letter.js'
import { isUnion, type MessageDefinition } from './definitions.js'

export const TOPIC_ID = '3f2b8c1e-5d47-4a09-9c61-0e8d7f6a2b15'
const CLUSTER_ID = '7c9e6679-7425-40de-944b-e07fc1f90ae7'
const INCARNATION = '1f0c5b1e-7c57-4a63-8d39-5a0d1c6f2e91'
const OTHER_INCARNATION = '62d1e8a7-04bb-4c9e-b0a5-93f7d28c1e34'
const STORE_ID = 'e3a9c4f0-51d2-4b7e-9f68-2c7b0d5a8e16'
const MEMBER_ID = 'billing-1-4f9a'
/** 2025-01-01T00:00:00Z */
const TIME = 1735689600000
const OK = { error: 0, message: '' }
const CREATED = { name: 'orders', ...OK, topicId: TOPIC_ID, partitions: 3, replicationFactor: 1 }
const ASSIGNED = { topic: 'orders', topicId: TOPIC_ID, partitions: [0, 2] }
const LEADER = { leader: 0, leaderEpoch: 3 }
const QUEUE_ID = '9a4d1c7e-2b60-4f83-8d15-6c3e0f9b7a42'
const DEAD_LETTERS_ID = 'b7e1f052-94c8-4d3a-a6d9-15f80c2e7b63'
/** The built-in group of a queue. */
const PLACE = { topicId: QUEUE_ID, partition: 0, group: '' }
const SESSION = { sessionId: 4823917650213847 }
const REDRIVE_ID = '5c9e8f30-17d2-4b6a-9e04-d28b7a1f6c93'
/** Lane of the key `customer-1`. */
const LANE = 708866835733629
const REDRIVE = {
  sourceTopicId: DEAD_LETTERS_ID, partitions: [], targetTopicId: '', lane: -1, reasons: ['exhausted'],
  fromTimestamp: TIME, toTimestamp: -1, headerName: null, headerValue: null, limit: 0, recordsPerSecond: 100,
  dryRun: false,
}

/** What the dead letter of the example says. */
export const DEAD_LETTER_SAMPLE: DeadLetterNote = {
  topic: 'mail', topicId: QUEUE_ID, partition: 0, group: '', offset: 43, timestamp: TIME, diedAt: TIME + 9000,
  reason: 'exhausted', text: 'mail server says 451', failures: 2, deliveries: 2,
  attempts: [
    { ...SESSION, startedAt: TIME + 1000, endedAt: TIME + 2000, reason: 'disconnect', text: '' },
    { ...SESSION, startedAt: TIME + 8000, endedAt: TIME + 9000, reason: 'nack', text: 'mail server says 451' },
  ],
}

/** Requests, responses and notices as they look in practice, by message name. */
export const TYPICAL: Readonly<Record<string, Record<string, unknown>>> = {
  'hello.v1.request': {
    clientName: 'billing', clientVersion: '0.1.0', apis: [{ api: 4, minVersion: 1, maxVersion: 1 }], features: 0,
    mechanism: null,
  },
  'hello.v1.response': {
    clusterId: CLUSTER_ID, brokerId: 0, brokerVersion: '0.1.0',
    apis: [
      { api: 1, name: 'hello', minVersion: 1, maxVersion: 1 },
      { api: 4, name: 'produce', minVersion: 1, maxVersion: 1 },
    ],
    features: 0, mechanisms: [], maxFrameBytes: 16777216, maxRecordBatchBytes: 8388608, maxInFlightRequests: 256,
    maxInFlightBytes: 33554432, rememberedBatches: 64, maxRecordsPerReceive: 10000, maxRecordsPerSettle: 10000,
    maxItemsPerRequest: 1000, timeMs: TIME,
  },
  'metadata.v1.request': { topics: ['orders'] },
  'metadata.v1.response': {
    clusterId: CLUSTER_ID, controllerId: 0, timeMs: TIME, brokers: [{ brokerId: 0, host: '127.0.0.1', port: 7400, rack: null }],
    topics: [{
      ...OK, name: 'orders', topicId: TOPIC_ID, kind: 'stream', partitions: [{ partition: 0, ...LEADER, replicas: [0] }],
    }],
  },
  'produce.v1.request': {
    acks: 'quorum', timeoutMs: 30000, batches: [{ topicId: TOPIC_ID, partition: 0, size: 0 }],
  },
  'produce.v1.response': {
    throttleMs: 0,
    results: [{
      partition: 0, ...OK, baseOffset: 42, logStartOffset: 0, duplicate: false, ...LEADER,
      duplicateRecords: [{ index: 1, offset: 37, state: 'delayed' }],
    }],
  },
  'fetch.v1.request': {
    maxWaitMs: 500, minBytes: 1, maxBytes: 1048576,
    partitions: [{ topicId: TOPIC_ID, partition: 0, offset: 42, lastEpoch: 3, maxBytes: 1048576 }],
  },
  'fetch.v1.response': {
    throttleMs: 0,
    partitions: [{
      topicId: TOPIC_ID, partition: 0, ...OK, highWatermark: 44, logStartOffset: 0, ...LEADER, resumeOffset: -1,
      size: 0,
    }],
  },
  'listOffsets.v1.request': {
    timeoutMs: 30000,
    partitions: [
      { topicId: TOPIC_ID, partition: 0, position: 'latest', timestamp: -1 },
      { topicId: TOPIC_ID, partition: 0, position: 'timestamp', timestamp: TIME },
    ],
  },
  'listOffsets.v1.response': {
    partitions: [
      { topicId: TOPIC_ID, partition: 0, ...OK, offset: 44, timestamp: -1, leaderEpoch: 3 },
      { topicId: TOPIC_ID, partition: 0, ...OK, offset: 42, timestamp: TIME + 5, leaderEpoch: 3 },
    ],
  },
  'initProducer.v1.request': { producerId: -1, producerEpoch: -1 },
  'initProducer.v1.response': { producerId: 1000, producerEpoch: 0 },
  'createTopics.v1.request': {
    timeoutMs: 30000, validateOnly: false,
    topics: [{
      name: 'orders', kind: 'stream', partitions: 3, replicationFactor: 0, config: { 'retention.ms': '604800000' },
    }],
  },
  'createTopics.v1.response': { topics: [CREATED] },
  'deleteTopics.v1.request': { timeoutMs: 30000, names: ['orders'] },
  'deleteTopics.v1.response': { topics: [{ name: 'orders', error: 20, message: 'there is no topic orders' }] },
  'alterTopics.v1.request': {
    timeoutMs: 30000, validateOnly: false,
    topics: [{ name: 'orders', partitions: 6, replicationFactor: 3, set: { 'retention.ms': '86400000' }, unset: ['cleanup'] }],
  },
  'alterTopics.v1.response': {
    topics: [{ name: 'orders', ...OK, moves: [{ partition: 0, from: [2], to: [2, 1, 3] }] }],
  },
  'listTopics.v1.request': {},
  'listTopics.v1.response': {
    topics: [{ name: 'orders', topicId: TOPIC_ID, kind: 'stream', partitions: 3, replicationFactor: 1 }],
  },
  'describeTopics.v1.request': { names: ['orders'] },
  'describeTopics.v1.response': {
    topics: [{
      name: 'orders', ...OK, topicId: TOPIC_ID, kind: 'stream', createdAt: TIME, replicationFactor: 1,
      config: [{ name: 'retention.ms', value: '604800000', source: 'topic' }],
      partitions: [{
        partition: 0, ...LEADER, replicas: [0], logStartOffset: 0, highWatermark: 44, nextOffset: 44,
        sizeBytes: 1048576, segments: 1, state: 'online', stateReason: '', quarantined: [{ from: 10, to: 12 }],
      }],
    }],
  },
  'deleteRecords.v1.request': {
    timeoutMs: 30000, partitions: [{ topicId: TOPIC_ID, partition: 0, beforeOffset: 40 }],
  },
  'deleteRecords.v1.response': { partitions: [{ topicId: TOPIC_ID, partition: 0, ...OK, logStartOffset: 40 }] },
  'joinGroup.v1.request': {
    group: 'billing', memberId: '', instanceId: null, topics: ['orders'], assignor: '', sessionTimeoutMs: 10000,
    rebalanceTimeoutMs: 60000, generation: -1, owned: [],
  },
  'joinGroup.v1.response': {
    memberId: MEMBER_ID, generation: 7, assignor: 'cooperative', heartbeatIntervalMs: 3000, assigned: [ASSIGNED],
  },
  'heartbeatGroup.v1.request': {
    group: 'billing', memberId: MEMBER_ID, generation: 7, maxWaitMs: 3000,
    owned: [{ topicId: TOPIC_ID, partitions: [0, 2] }],
  },
  'heartbeatGroup.v1.response': { generation: 8, heartbeatIntervalMs: 3000, assigned: [{ ...ASSIGNED, partitions: [0] }] },
  'leaveGroup.v1.request': { group: 'billing', memberId: MEMBER_ID },
  'leaveGroup.v1.response': {},
  'commitOffsets.v1.request': {
    group: 'billing', memberId: MEMBER_ID, generation: 7,
    offsets: [{ topicId: TOPIC_ID, partition: 0, offset: 44, leaderEpoch: 3, metadata: null }],
  },
  'commitOffsets.v1.response': { results: [{ topicId: TOPIC_ID, partition: 0, ...OK }] },
  'fetchOffsets.v1.request': { group: 'billing', partitions: [{ topicId: TOPIC_ID, partition: 0 }] },
  'fetchOffsets.v1.response': {
    offsets: [{
      topic: 'orders', topicId: TOPIC_ID, partition: 0, ...OK, offset: 44, leaderEpoch: 3, metadata: null,
      committedAt: TIME,
    }],
  },
  'describeGroups.v1.request': { groups: ['billing'] },
  'describeGroups.v1.response': {
    groups: [{
      group: 'billing', ...OK, state: 'stable', generation: 7, assignor: 'cooperative',
      members: [{
        memberId: MEMBER_ID, instanceId: 'billing-1', clientName: 'billing', clientAddress: '127.0.0.1:50000',
        topics: ['orders'], assigned: [ASSIGNED], sessionTimeoutMs: 10000, lastHeartbeatAgoMs: 120,
      }],
    }],
  },
  'listGroups.v1.request': {},
  'listGroups.v1.response': { groups: [{ group: 'billing', state: 'stable', members: 1 }] },
  'deleteGroups.v1.request': { groups: ['billing'] },
  'deleteGroups.v1.response': {
    groups: [{ group: 'billing', error: 65, message: 'group billing has 1 member; stop its consumers first' }],
  },
  'describeBroker.v1.request': {},
  'describeBroker.v1.response': {
    brokerId: 0, clusterId: CLUSTER_ID, version: '0.1.0', startedAt: TIME,
    config: [{ name: 'listen', value: '127.0.0.1:7400', source: 'default' }], topics: 1, partitions: 3,
    failedPartitions: 0, connections: 2, dataBytes: 1048576, diskFreeBytes: 50000000000, diskTotalBytes: 100000000000,
    rssBytes: 90000000, eventLoopDelayP99Us: 1200,
  },
  'describeCluster.v1.request': {},
  'describeCluster.v1.response': {
    clusterId: CLUSTER_ID,
    controllerId: 2,
    brokers: [{
      brokerId: 1, host: '10.0.0.1', port: 7400, rack: 'a', capacity: 100, version: '0.1.0', startedAt: TIME,
      state: 'online', draining: true, replicas: 12, leaders: 4, learners: 0, ringSharePermille: 340,
    }],
    topics: 2, partitions: 12, leaderless: 0, underReplicated: 0,
    moves: [{ topic: 'orders', partition: 3, from: [1, 2, 3], to: [4, 2, 3], state: 'copying' }],
    troubles: [{ topic: 'orders', partition: 1, state: 'recovering', epoch: 7, leader: 2, waitsFor: [3], untrusted: [1] }],
    losses: [{ topic: 'orders', partition: 2, epoch: 5, at: TIME, fromOffset: 1200, givenUp: [1, 3] }],
  },
  'changePlacement.v1.request': { action: 'drain', brokerId: 1, dryRun: false },
  'changePlacement.v1.response': {
    error: 0, message: '', moves: [{ topic: 'orders', partition: 3, from: [1, 2, 3], to: [4, 2, 3] }], copies: 1,
    copiesLeast: 1, leaderChanges: 0,
  },
  'forceRecover.v1.request': { topic: 'orders', partition: 3, survivors: [1], dryRun: false },
  'forceRecover.v1.response': { error: 0, message: '', epoch: 8, leader: 1, givenUp: [2, 3] },
  'moveReplicas.v1.request': { topic: 'orders', partition: 3, replicas: [4, 2, 3], dryRun: false },
  'moveReplicas.v1.response': { error: 0, message: '', from: [1, 2, 3], to: [4, 2, 3] },
  'openSession.v1.request': { sessionId: 0, token: '', clientName: 'mailer', leases: 'started' },
  'openSession.v1.response': { ...SESSION, token: 'q5Jw0yq2oQkz7mZ3cB9h1w', heartbeatMs: 3333 },
  'heartbeatSession.v1.request': SESSION,
  'heartbeatSession.v1.response': {
    heartbeatMs: 3333, notices: [{ ...PLACE, kind: 'cancelRequested', offset: 43, leaseEpoch: 3, leaseSequence: 18 }],
    more: false,
  },
  'closeSession.v1.request': SESSION,
  'closeSession.v1.response': {},
  'receive.v1.request': {
    ...SESSION, maxRecords: 500, maxBytes: 1048576, maxWaitMs: 20000, partitions: [PLACE, { ...PLACE, partition: 1 }],
  },
  'receive.v1.response': {
    heartbeatMs: 3333,
    partitions: [{
      ...PLACE, ...OK, ...LEADER, leaseEpoch: 3, visibilityMs: 30000, disconnectGraceMs: 10000,
      leases: [{ offset: 42, count: 2, leaseSequence: 17, deliveries: 1 }], size: 0,
    }],
  },
  'settle.v1.request': {
    acks: 'quorum', timeoutMs: 30000,
    partitions: [{
      ...PLACE,
      items: [
        { kind: 'ack', offset: 42, count: 1, leaseEpoch: 3, leaseSequence: 17, delayMs: -1, reason: '' },
        {
          kind: 'nack', offset: 43, count: 1, leaseEpoch: 3, leaseSequence: 18, delayMs: 5000,
          reason: 'mail server says 451',
        },
      ],
    }],
  },
  'settle.v1.response': { results: [{ partition: 0, ...OK, answers: [{ count: 2, answer: 'ok' }] }] },
  'cancelRecords.v1.request': { timeoutMs: 30000, targets: [{ ...PLACE, offset: -1, dedupId: 'reminder-17' }] },
  'cancelRecords.v1.response': { results: [{ ...OK, answer: 'ok', offset: 43 }] },
  'rescheduleRecords.v1.request': {
    timeoutMs: 30000, targets: [{ ...PLACE, offset: 43, dedupId: null, delayMs: 60000, notBefore: -1 }],
  },
  'rescheduleRecords.v1.response': { results: [{ ...OK, answer: 'ok', offset: 43, notBefore: TIME + 60000 }] },
  'explainRecords.v1.request': { targets: [{ ...PLACE, offset: -1, lane: LANE, dedupId: null }] },
  'explainRecords.v1.response': {
    results: [{
      ...OK, offset: 43, state: 'leased', cause: 'unknown', failures: 1, maxAttempts: 5, deliveries: 2,
      timeLeftMs: 21500, ...SESSION, clientName: 'mailer', clientAddress: '127.0.0.1:50000', cancelRequested: false,
      lane: LANE, behindOffset: -1, recordsBefore: -1, paused: false, atMaxInFlight: false, reason: 'none',
      reasonText: '', deadLetter: null, damaged: false,
    }],
  },
  'queueStats.v1.request': { partitions: [PLACE] },
  'queueStats.v1.response': {
    partitions: [{
      ...PLACE, ...OK, floor: 40, nextOffset: 44, highWatermark: 60, ready: 1, leased: 2, delayed: 1, blocked: 0,
      deadLetterPending: 0, fresh: 16, acknowledged: 38, cancelled: 1, expired: 0, dead: 1, archived: 0, purged: 0,
      duplicates: 2, damaged: 0,
      oldestFreshAgeMs: 800, oldestReadyAgeMs: 12000, oldestLeasedAgeMs: 11000, oldestDelayedAgeMs: 9000,
      oldestBlockedAgeMs: -1, oldestDeadLetterPendingAgeMs: -1, oldestOutstandingOffset: 40, busyLanes: 3,
      stoppedLanes: 1,
      stopped: [{ lane: LANE, state: 'held', offset: 41 }], sessions: 2, paused: false,
    }],
  },
  'peekRecords.v1.request': {
    ...PLACE, fromOffset: -1, maxRecords: 10, maxBytes: 1048576, states: ['ready', 'leased'],
  },
  'peekRecords.v1.response': {
    records: [
      { offset: 42, state: 'ready', failures: 1, deliveries: 1, timeLeftMs: -1, sessionId: 0, damaged: false },
      { offset: 43, state: 'leased', failures: 0, deliveries: 1, timeLeftMs: 21500, ...SESSION, damaged: false },
    ],
    nextOffset: -1, size: 0,
  },
  'controlQueue.v1.request': { timeoutMs: 30000, action: 'pause', lane: -1, partitions: [PLACE] },
  'controlQueue.v1.response': { results: [{ partition: 0, ...OK, changed: true, records: 0 }] },
  'startRedrive.v1.request': REDRIVE,
  'startRedrive.v1.response': { redriveId: REDRIVE_ID },
  'describeRedrives.v1.request': { redriveIds: [REDRIVE_ID] },
  'describeRedrives.v1.response': {
    redrives: [{
      ...OK, redriveId: REDRIVE_ID, state: 'running', startedAt: TIME + 5000, endedAt: -1,
      startedBy: 'sluice-cli 127.0.0.1:50000', examined: 250, matched: 200, moved: 180, ...REDRIVE,
    }],
  },
  'cancelRedrive.v1.request': { redriveId: REDRIVE_ID },
  'cancelRedrive.v1.response': { state: 'cancelled', moved: 180 },
  'peerHello.v1.request': { clusterId: CLUSTER_ID, brokerId: 2, incarnation: INCARNATION, targetId: 0 },
  'peerHello.v1.response': { brokerId: 0, incarnation: OTHER_INCARNATION },
  'replicate.v1.request': {
    newEpochs: [], promises: [], fences: [], pulls: [], pulled: [],
    beginEpochs: [{ topicId: TOPIC_ID, partition: 2, epoch: 5, storeId: STORE_ID }],
    fetches: [{
      topicId: TOPIC_ID, partition: 1, epoch: 4, storeId: STORE_ID, sequence: 17, probe: 0,
      positions: [
        { offset: 42, lastEpoch: 4, empty: false, durableOffset: 40 },
        { offset: 0, lastEpoch: 0, empty: true, durableOffset: 0 },
      ],
    }],
    fetched: [{
      topicId: TOPIC_ID, partition: 0, epoch: 3, sequence: 8, probe: 1,
      parts: [{
        kind: 'records', offset: 42, lastEpoch: 3, highWatermark: 42, startOffset: 0, endOffset: 44, epoch: -1,
        prevCrc: 0, size: 0,
      }],
    }],
    acks: [{ topicId: TOPIC_ID, partition: 3, epoch: 3, storeId: STORE_ID, durableOffsets: [120, 7] }],
  },
  'storeDeadLetter.v1.request': {
    topicId: DEAD_LETTERS_ID, partition: 2, sourceTopicId: QUEUE_ID, sourcePartition: 2, group: '', offset: 43,
    sourceEpoch: 6, ask: 12, firstEpoch: 3, diedAt: TIME + 9000, forget: [40, 41],
  },
  'storeDeadLetter.v1.response': { offset: 180 },
  'findRedriven.v1.request': {
    redriveId: REDRIVE_ID, term: 2, ask: 7, topicId: QUEUE_ID, partition: 1, fromOffset: 950,
  },
  'findRedriven.v1.response': { leaderEpoch: 4, endOffset: 1010, sequences: [181, 182] },
  'appendRedriven.v1.request': {
    redriveId: REDRIVE_ID, term: 2, ask: 8, topicId: QUEUE_ID, partition: 1, leaderEpoch: 4,
  },
  'appendRedriven.v1.response': { baseOffset: 1010 },
  'goAway.v1.notice': { reason: 'the broker is stopping', closesInMs: 5000 },
  'error.v1.response': {
    code: 5, message: 'api fetch has no version 9 here, only 1 to 1; upgrade the broker', retryAfterMs: 0,
  },
}

/** The message as it looks in practice. */
export function typicalMessage (message: MessageDefinition): Record<string, unknown> {
  const typical = TYPICAL[message.name]
  if (typical === undefined) throw new Error(`generate/message-samples.ts has no sample of ${message.name}`)
  return typical
}

/** Zero, empty, null, first symbol everywhere. */
export function minimalValue (schema: AvroSchema): unknown {
  if (typeof schema === 'string') {
    return { null: null, boolean: false, int: 0, long: 0, string: '' }[schema]
  }
  if (isUnion(schema)) return minimalValue(schema[0]!)
  switch (schema.type) {
    case 'array': return []
    case 'map': return {}
    case 'enum': return schema.symbols[0]
    case 'record':
      return Object.fromEntries(schema.fields.map(field => [field.name, minimalValue(field.type)]))
  }
}

const TEXT = 'Grüße 東京 🚢 \u0000\u007f\u0080\u07ff\u0800\uffff'

/** Borders everywhere: the highest number or the lowest, text of every UTF-8 length, last symbol, several items. */
export function extremeValue (schema: AvroSchema, high = true): unknown {
  if (typeof schema === 'string') {
    return {
      null: null,
      boolean: high,
      int: high ? 2 ** 31 - 1 : -(2 ** 31),
      long: high ? LONG_MAX : LONG_MIN,
      string: high ? TEXT : 'x'.repeat(200),
    }[schema]
  }
  if (isUnion(schema)) return extremeValue(schema[schema.length - 1]!, high)
  switch (schema.type) {
    case 'array': return [extremeValue(schema.items, high), extremeValue(schema.items, !high)]
    case 'map': return { '': extremeValue(schema.values, high), [TEXT]: extremeValue(schema.values, !high) }
    case 'enum': return schema.symbols[schema.symbols.length - 1]
    case 'record':
      return Object.fromEntries(schema.fields.map((field, index) =>
        [field.name, extremeValue(field.type, index % 2 === 0 ? high : !high)]))
  }
}
