// The public face of @sluice/client.

export {
  Admin, type AlterTopicOptions, type CallOptions, type ClusterDescription, type CreatedTopicInfo,
  type CreateTopicOptions, type DeletedRecords, type GroupLag, type GroupOffset, type OffsetMove,
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
export { Producer, type SendResult, type WaitOptions } from './producer/producer.js'
export { type ProducerOptions } from './producer/producer-options.js'
export { partitionOfKey } from './producer/partitioner.js'
export { type InRecord, type OutRecord, type RecordBatch, type RecordMeta } from './records.js'
export { bytes, json, string, type InferOutput, type Serde, type StandardSchema } from './serdes.js'
export { type Start } from './start.js'
export { Topic } from './topic.js'
export type {
  BrokerAddress, DescribeBrokerResponse, GroupDescription, GroupMember, ListedGroup, ListedTopic, PartitionDescription,
  TopicDescription,
} from '@sluice/protocol'
