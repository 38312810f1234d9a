// The entry for the simulator, `@sluice/broker/simulation`: the core of the broker without the server around it.

export { QueueSession } from './api/queue-session.js'
export {
  checkCommit, COMMIT_CHANGES_MAX, type ControlChange, type ControlCompare, type ControlEntry, type ControlFault,
  type ControlLease, type ControlStore, ControlStoreError,
} from './control/control-store.js'
export { Cluster } from './cluster/cluster.js'
export {
  BROKER_PREFIX, type BrokerRecord, MOVE_PREFIX, moveKey, type ReplicaMove,
} from './cluster/cluster-records.js'
export { placementBroker } from './cluster/placement-broker.js'
export { memberOf } from './cluster/wanted-members.js'
export { leaseEndMs, renewalIntervalMs } from './control/lease-term.js'
export type { GroupOffset } from './partition/committed-offsets.js'
export type { Partition } from './partition/partition.js'
export { PartitionTable, type PartitionTableOptions } from './partition/partition-table.js'
export { PartitionRecords, type RecordChange } from './control/partition-records.js'
export { topicKey, type TopicRecord } from './control/topic-record.js'
export { AckQueue } from './partition/ack-queue.js'
export { type PeerState } from './peer/peers.js'
export { SilenceWatch } from './peer/silence-watch.js'
export { placePartitions } from './placement/place-partitions.js'
export { ProducerState } from './partition/producer-state.js'
export { readDelta } from './queue/delta-reader.js'
export type { LetterPlace } from './queue/endings.js'
export { MemoryDelayStore } from './queue/memory-delay-store.js'
export { MemoryLaneIndex } from './queue/memory-lane-index.js'
export type { DeltaHeader, Mutations } from './queue/mutations.js'
export type { QueueGroup } from './queue/queue-group.js'
export { DEFAULT_QUEUE_SETTINGS, queueConfigOf, type QueueConfig } from './queue/queue-settings.js'
export { QueueState } from './queue/queue-state.js'
export {
  type DelayClock, END_CAUSE, type EndCause, type Grants, NO_LANE, ORDER, type Order, type Reason, RECORD_STATE,
  SETTLE_ANSWER, SETTLE_KIND, type SettleItem, type SettleKind,
} from './queue/queue-types.js'
export { SESSION_FLAG } from './queue/session-table.js'
export type { DeadLetterRequest, DeadLetterSink } from './queue-host/dead-letter-sink.js'
export type { HostedQueueGroup } from './queue-host/hosted-queue-group.js'
export { ReadBudget } from './queue-host/read-budget.js'
export { STATE_KEY, visitStateRecords } from './queue-host/state-records.js'
export { readControlBatch } from './replica/control-batch.js'
export { majorityOf, type Member, memberName, sameMember } from './replica/member.js'
export {
  activate, failOver, firstRecord, forceRecover, mayDelete, type PartitionRecord, reconfigure, withLearners,
} from './replica/partition-record.js'
export { PromiseStore } from './replica/promise-store.js'
export { Replica } from './replica/replica.js'
export {
  REPLICA_TIMING_DEFAULT, type ReplicaHost, type ReplicaReport, type ReplicaRole, type StoredPromise,
} from './replica/replica-host.js'
export { compareLogEnds, type LogEnd, type ReplicaMessage, type ReplicaMessageKind } from './replica/replica-message.js'
export { Leadership } from './replica-host/leadership.js'
export { ProducerTracker } from './replica-host/producer-tracker.js'
export { DeadlineQueue } from './runtime/deadline-queue.js'
export type { Connection } from './net/connection.js'
export { HandOverWatch } from './replica-host/hand-over-watch.js'
export { type PartitionPlacement, type PartitionPlacements } from './replica-host/partition-placements.js'
export { ReplicaTable, type TableReplica, type TableSurroundings } from './replica-host/replica-table.js'
export { type Logger, silentLogger } from './runtime/logger.js'
export { type Timers } from './runtime/timers.js'
export { type LogProgress, type LogTail, SAFETY_RULES, SafetyRules } from './replica/safety-rules.js'
