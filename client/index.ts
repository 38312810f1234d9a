// The public face of @sluice/client.

export {
  Admin, type AlterTopicOptions, type CallOptions, type ClusterDescription, type ClusterStatus,
  type CreatedTopicInfo, type ForcedRecovery, type PlacementAction, type PlacementChange, type ReplicaMove,
  type CreateQueueOptions, type CreateTopicOptions, type DeletedRecords, type GroupLag, type GroupOffset,
  type OffsetMove, type QueueSettings,
} from './admin.js'
export { BrokerError, ERROR_CODE, type BrokerErrorDetails, type ErrorCode } from './broker-error.js'
export { Client, connect } from './client.js'
export { type Auth, type ClientOptions, type Logger, type RetryOptions } from './client-options.js'
export { Consumer, type ConsumerLag } from './consumer/consumer.js'
export { type AssignorName, type ConsumerOptions } from './consumer/consumer-options.js'
export { type RunOptions } from './consumer/record-runner.js'
export { type ReadOptions } from './consumer/topic-reader.js'
export { type ClientEvents, type RecordPlace } from './events.js'
export {
  type FetchMessage, type HandleMessage, type ProduceMessage, type RequestMessage, type SendMessage,
} from './diagnostics.js'
export { Producer, type WaitOptions } from './producer/producer.js'
export type { SendResult, SentRecord } from './producer/sent-record.js'
export { type ProducerOptions } from './producer/producer-options.js'
export { partitionOfKey } from './producer/partitioner.js'
export { deadLetterOf } from './queue/dead-letter.js'
export { Queue, type QueueOptions } from './queue/queue.js'
export {
  type ChangeOutcome, type PartitionStats, type PeekedRecord, type PeekOptions, type QueueStatistics,
  type RecordExplanation, type RecordTarget,
} from './queue/queue-control.js'
export { type ReceiveOptions, type WorkOptions } from './queue/queue-options.js'
export {
  type LeasedRecord, type QueuedRecord, type QueueRecord, type QueueSendResult, type SettleOutcome,
} from './queue/queue-records.js'
export { Redrive, type RedriveOptions, type RedriveStatus } from './queue/redrive.js'
export { type InRecord, type OutRecord, type RecordBatch, type RecordMeta } from './records.js'
export { bytes, json, string, type InferOutput, type Serde, type StandardSchema } from './serdes.js'
export { type Start } from './start.js'
export { Topic } from './topic.js'
export type {
  BrokerAddress, DeadLetterAttempt, DeadLetterNote, DescribeBrokerResponse, GroupDescription, GroupMember, ListedGroup,
  ListedTopic, PartitionDescription, QueueFailureReason, QueueRecordState, TopicDescription,
} from '@sluice/protocol'
