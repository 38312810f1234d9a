// Generated from apis.json, errors.json and schemas/ by `npm run generate`. Do not edit.

/** Api keys by name. */
export const API_KEY = {
  /** First frame of a connection: versions, features and limits. */
  hello: 1,
  /** Brokers, topics and who leads each partition. */
  metadata: 3,
  /** Append record batches. */
  produce: 4,
  /** Read record batches, with a long poll. */
  fetch: 5,
  /** Find offsets by position or time. */
  listOffsets: 6,
  /** Get a producer id and epoch. */
  initProducer: 7,
  /** Create topics. */
  createTopics: 10,
  /** Delete topics. */
  deleteTopics: 11,
  /** Change settings, add partitions. */
  alterTopics: 12,
  /** Names of all topics. */
  listTopics: 13,
  /** Settings and partition states. */
  describeTopics: 14,
  /** Delete records up to an offset. */
  deleteRecords: 15,
  /** Join a stream group. */
  joinGroup: 20,
  /** Stay in a group and learn the assignment. */
  heartbeatGroup: 21,
  /** Leave a group. */
  leaveGroup: 22,
  /** Store how far a group has read. */
  commitOffsets: 23,
  /** Ask how far a group has read. */
  fetchOffsets: 24,
  /** Members and assignments. */
  describeGroups: 25,
  /** All groups. */
  listGroups: 26,
  /** Delete groups. */
  deleteGroups: 27,
  /** State and options of a broker. */
  describeBroker: 30,
  /** Notice from a broker that is about to stop. */
  goAway: 31,
} as const

export type ApiName = keyof typeof API_KEY

/** Versions of each api that this package speaks. */
export const API_VERSIONS: Readonly<Record<ApiName, { min: number, max: number }>> = {
  hello: { min: 1, max: 1 },
  metadata: { min: 1, max: 1 },
  produce: { min: 1, max: 1 },
  fetch: { min: 1, max: 1 },
  listOffsets: { min: 1, max: 1 },
  initProducer: { min: 1, max: 1 },
  createTopics: { min: 1, max: 1 },
  deleteTopics: { min: 1, max: 1 },
  alterTopics: { min: 1, max: 1 },
  listTopics: { min: 1, max: 1 },
  describeTopics: { min: 1, max: 1 },
  deleteRecords: { min: 1, max: 1 },
  joinGroup: { min: 1, max: 1 },
  heartbeatGroup: { min: 1, max: 1 },
  leaveGroup: { min: 1, max: 1 },
  commitOffsets: { min: 1, max: 1 },
  fetchOffsets: { min: 1, max: 1 },
  describeGroups: { min: 1, max: 1 },
  listGroups: { min: 1, max: 1 },
  deleteGroups: { min: 1, max: 1 },
  describeBroker: { min: 1, max: 1 },
  goAway: { min: 1, max: 1 },
}

/** Changes of one topic; all of them are made or none. */
export interface TopicChange {
  /** Topic name. */
  name: string
  /** New number of partitions, not below the present one; 0 to leave it. */
  partitions: number
  /** Settings to set. */
  set: Record<string, string>
  /** Settings to put back to their default. */
  unset: string[]
}

/** Changes settings of topics and adds partitions. */
export interface AlterTopicsRequest {
  /** How long the broker may work on the request before it answers REQUEST_TIMED_OUT, in milliseconds. */
  timeoutMs: number
  /** True to check everything and change nothing. */
  validateOnly: boolean
  /** Changes. */
  topics: TopicChange[]
}

/** What became of one topic. */
export interface AlteredTopic {
  /** Topic name. */
  name: string
  /** Error number of this item from errors.json; 0 means it succeeded. */
  error: number
  /** What went wrong and what to do next; empty where error is 0. */
  message: string
}

/** One result per topic, in order. */
export interface AlterTopicsResponse {
  /** Results. */
  topics: AlteredTopic[]
}

/** One partition. */
export interface OffsetToCommit {
  /** Topic id, a UUID in its canonical text form, as metadata gives it. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** Offset of the next record to read; -1 removes the stored offset. */
  offset: number
  /** Leader epoch of the partition; -1 where unknown. */
  leaderEpoch: number
  /** Free text, up to 4,096 characters, or null. */
  metadata: string | null
}

/** Stores how far a group has read. Answered when that is as durable as the partition's records. */
export interface CommitOffsetsRequest {
  /** Group name. */
  group: string
  /** Member id, or empty where the group has no members (an offset reset, a consumer without membership). */
  memberId: string
  /** Generation of the member, or -1 with an empty member id. */
  generation: number
  /** Offsets. */
  offsets: OffsetToCommit[]
}

/** What became of one offset. */
export interface CommitResult {
  /** Topic id, a UUID in its canonical text form, as metadata gives it. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** Error number of this item from errors.json; 0 means it succeeded. */
  error: number
  /** What went wrong and what to do next; empty where error is 0. */
  message: string
}

/** One result per partition, in order. */
export interface CommitOffsetsResponse {
  /** Results. */
  results: CommitResult[]
}

/** How the topic is meant to be read. */
export type NewTopicKind = 'stream' | 'queue'

/** One topic. */
export interface NewTopic {
  /** 1 to 249 characters out of a-z A-Z 0-9 . _ - ; not . or .. */
  name: string
  /** stream or queue. */
  kind: NewTopicKind
  /** Number of partitions; 0 for the default of the broker. */
  partitions: number
  /** Number of replicas; 0 for the default of the broker. */
  replicationFactor: number
  /** Topic settings by name; what is not named takes its default. describeTopics lists them all. */
  config: Record<string, string>
}

/** Creates topics, each by itself: one may fail and another succeed. */
export interface CreateTopicsRequest {
  /** How long the broker may work on the request before it answers REQUEST_TIMED_OUT, in milliseconds. */
  timeoutMs: number
  /** True to check everything and create nothing. */
  validateOnly: boolean
  /** Topics. */
  topics: NewTopic[]
}

/** What became of one topic. */
export interface CreatedTopic {
  /** Topic name. */
  name: string
  /** Error number of this item from errors.json; 0 means it succeeded. */
  error: number
  /** What went wrong and what to do next; empty where error is 0. */
  message: string
  /** Topic id, a UUID; empty where it was not created. */
  topicId: string
  /** Number of partitions. */
  partitions: number
  /** Number of replicas. */
  replicationFactor: number
}

/** One result per topic, in order. */
export interface CreateTopicsResponse {
  /** Results. */
  topics: CreatedTopic[]
}

/** Deletes groups and their committed offsets; a group with members is refused. */
export interface DeleteGroupsRequest {
  /** Group names. */
  groups: string[]
}

/** What became of one group. */
export interface DeletedGroup {
  /** Group name. */
  group: string
  /** Error number of this item from errors.json; 0 means it succeeded. */
  error: number
  /** What went wrong and what to do next; empty where error is 0. */
  message: string
}

/** One result per group, in order. */
export interface DeleteGroupsResponse {
  /** Results. */
  groups: DeletedGroup[]
}

/** One partition. */
export interface DeleteRecordsPartition {
  /** Topic id, a UUID in its canonical text form, as metadata gives it. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** Records below this offset are deleted; -1 for all up to the high watermark. */
  beforeOffset: number
}

/** Moves the start of partitions forward: records below it are gone for good. */
export interface DeleteRecordsRequest {
  /** How long the broker may work on the request before it answers REQUEST_TIMED_OUT, in milliseconds. */
  timeoutMs: number
  /** Partitions. */
  partitions: DeleteRecordsPartition[]
}

/** What became of one partition. */
export interface DeleteRecordsResult {
  /** Topic id, a UUID in its canonical text form, as metadata gives it. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** Error number of this item from errors.json; 0 means it succeeded. */
  error: number
  /** What went wrong and what to do next; empty where error is 0. */
  message: string
  /** First offset that the partition holds now. */
  logStartOffset: number
}

/** One result per partition, in order. */
export interface DeleteRecordsResponse {
  /** Results. */
  partitions: DeleteRecordsResult[]
}

/** Deletes topics with all their data. */
export interface DeleteTopicsRequest {
  /** How long the broker may work on the request before it answers REQUEST_TIMED_OUT, in milliseconds. */
  timeoutMs: number
  /** Topic names. */
  names: string[]
}

/** What became of one topic. */
export interface DeletedTopic {
  /** Topic name. */
  name: string
  /** Error number of this item from errors.json; 0 means it succeeded. */
  error: number
  /** What went wrong and what to do next; empty where error is 0. */
  message: string
}

/** One result per topic, in order. */
export interface DeleteTopicsResponse {
  /** Results. */
  topics: DeletedTopic[]
}

/** Asks for the state of the broker itself. */
export type DescribeBrokerRequest = Record<never, never>

/** Where the value comes from. */
export type BrokerSettingSource = 'default' | 'file' | 'environment' | 'flag'

/** One option. */
export interface BrokerSetting {
  /** Name. */
  name: string
  /** Value in force. */
  value: string
  /** default, file, environment or flag. */
  source: BrokerSettingSource
}

/** State of the broker that answers. */
export interface DescribeBrokerResponse {
  /** Broker id. */
  brokerId: number
  /** Cluster id, a UUID. */
  clusterId: string
  /** Version of the broker software. */
  version: string
  /** When the process started, in milliseconds since 1970-01-01 UTC. */
  startedAt: number
  /** All options by name; secrets are left out. */
  config: BrokerSetting[]
  /** Number of topics. */
  topics: number
  /** Number of partitions. */
  partitions: number
  /** Partitions that are not online. */
  failedPartitions: number
  /** Open client connections. */
  connections: number
  /** Bytes of all segments on disk. */
  dataBytes: number
  /** Free bytes of the file system of the data folder; -1 where unknown. */
  diskFreeBytes: number
  /** Size of the file system of the data folder, in bytes; -1 where unknown. */
  diskTotalBytes: number
  /** Resident memory of the process, in bytes. */
  rssBytes: number
  /** 99th percentile of the event-loop delay since the last minute began, in microseconds. */
  eventLoopDelayP99Us: number
}

/** Asks for members and assignments. */
export interface DescribeGroupsRequest {
  /** Group names. */
  groups: string[]
}

/** What the group is doing. */
export type GroupState = 'empty' | 'rebalancing' | 'stable'

/** Partitions of one topic. */
export interface MemberPartitions {
  /** Topic name. */
  topic: string
  /** Topic id, a UUID in its canonical text form, as metadata gives it. */
  topicId: string
  /** Partition numbers. */
  partitions: number[]
}

/** One member. */
export interface GroupMember {
  /** Member id that joinGroup gave. */
  memberId: string
  /** Name of a static member, which keeps its partitions over a restart within the session timeout; null for a dynamic member. */
  instanceId: string | null
  /** Name that the client gave in its hello. */
  clientName: string
  /** Address that it connects from. */
  clientAddress: string
  /** Topics that it reads. */
  topics: string[]
  /** Partitions that it may work on. */
  assigned: MemberPartitions[]
  /** Its session timeout, in milliseconds. */
  sessionTimeoutMs: number
  /** Milliseconds since it was last heard from. */
  lastHeartbeatAgoMs: number
}

/** One group. */
export interface GroupDescription {
  /** Group name. */
  group: string
  /** Error number of this item from errors.json; 0 means it succeeded. */
  error: number
  /** What went wrong and what to do next; empty where error is 0. */
  message: string
  /** empty: no members; rebalancing: partitions are on the move; stable. */
  state: GroupState
  /** Generation of the group: it rises with each new assignment, and fences members that missed one. */
  generation: number
  /** Assignor in force; empty where the group has no members. */
  assignor: string
  /** Members. */
  members: GroupMember[]
}

/** The groups, in the order asked. */
export interface DescribeGroupsResponse {
  /** Groups. */
  groups: GroupDescription[]
}

/** Asks for settings and for the state of every partition. */
export interface DescribeTopicsRequest {
  /** Topic names, or null for all. */
  names: string[] | null
}

/** How the topic is meant to be read. */
export type DescribedTopicKind = 'stream' | 'queue'

/** Where the value comes from. */
export type SettingSource = 'default' | 'broker' | 'topic'

/** One setting. */
export interface TopicSetting {
  /** Name. */
  name: string
  /** Value in force. */
  value: string
  /** default: built in; broker: configured on the broker; topic: set on this topic. */
  source: SettingSource
}

/** What it can do now. */
export type PartitionState = 'online' | 'readOnly' | 'failed' | 'offline'

/** Offsets that cannot be read because their bytes are damaged. */
export interface QuarantinedRange {
  /** First offset. */
  from: number
  /** Offset after the last. */
  to: number
}

/** One partition. */
export interface PartitionDescription {
  /** Partition number, from 0. */
  partition: number
  /** Id of the broker that leads the partition; -1 where there is none or it is unknown. */
  leader: number
  /** Leader epoch of the partition; -1 where unknown. */
  leaderEpoch: number
  /** Ids of the brokers that hold it. */
  replicas: number[]
  /** First offset held. */
  logStartOffset: number
  /** Offset after the last committed record. */
  highWatermark: number
  /** Offset after the last record of the leader, committed or not. */
  nextOffset: number
  /** Bytes of its segments on disk. */
  sizeBytes: number
  /** Number of segments. */
  segments: number
  /** online; readOnly: writes are refused for now (disk full or alike); failed: writes are refused until the broker restarts; offline: no leader. */
  state: PartitionState
  /** Why it is not online; empty where it is. */
  stateReason: string
  /** Damaged ranges, in order; mostly empty. */
  quarantined: QuarantinedRange[]
}

/** One topic. */
export interface TopicDescription {
  /** Topic name. */
  name: string
  /** Error number of this item from errors.json; 0 means it succeeded. */
  error: number
  /** What went wrong and what to do next; empty where error is 0. */
  message: string
  /** Topic id, a UUID in its canonical text form, as metadata gives it. */
  topicId: string
  /** stream or queue. */
  kind: DescribedTopicKind
  /** When it was created, in milliseconds since 1970-01-01 UTC. */
  createdAt: number
  /** Number of replicas. */
  replicationFactor: number
  /** All settings by name. */
  config: TopicSetting[]
  /** Partitions in order. */
  partitions: PartitionDescription[]
}

/** The topics, in the order asked. */
export interface DescribeTopicsResponse {
  /** Topics. */
  topics: TopicDescription[]
}

/** Answer to a request that failed as a whole; its frame has the ERROR flag. */
export interface ErrorResponse {
  /** Error number from errors.json. */
  code: number
  /** What was wrong and what to do next. */
  message: string
  /** How long to wait before a retry, in milliseconds; 0 where the client decides. */
  retryAfterMs: number
}

/** Where to read in one partition. */
export interface FetchPartition {
  /** Topic id, a UUID in its canonical text form, as metadata gives it. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** First offset wanted. The batch that holds it is sent whole: skip the records before it. */
  offset: number
  /** Leader epoch of the last record that the client has read before this offset, or -1. */
  lastEpoch: number
  /** Most bytes from this partition. */
  maxBytes: number
}

/** Reads record batches; waits for some where there are none. Send it with the UNORDERED flag so that it holds up nothing else. */
export interface FetchRequest {
  /** How long to wait for minBytes, in milliseconds; 0 to answer at once. */
  maxWaitMs: number
  /** Answer as soon as this many bytes are there. */
  minBytes: number
  /** Most bytes of batches to send in all. The first batch is sent whole even if it is larger. */
  maxBytes: number
  /** Partitions, served in this order until maxBytes is reached. */
  partitions: FetchPartition[]
}

/** What was read from one partition. */
export interface FetchedPartition {
  /** Topic id, a UUID in its canonical text form, as metadata gives it. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** Error number of this item from errors.json; 0 means it succeeded. */
  error: number
  /** What went wrong and what to do next; empty where error is 0. */
  message: string
  /** Offset after the last committed record; -1 where unknown. */
  highWatermark: number
  /** First offset that the partition still holds; -1 where unknown. */
  logStartOffset: number
  /** Id of the broker that leads the partition; -1 where there is none or it is unknown. */
  leader: number
  /** Leader epoch of the partition; -1 where unknown. */
  leaderEpoch: number
  /** Where reading can go on after CORRUPT_DATA, OFFSET_OUT_OF_RANGE or OFFSET_TRUNCATED; otherwise -1. */
  resumeOffset: number
  /** Size of its whole batches in the payload, in bytes. */
  size: number
}

/** Batches of each partition. They follow in the payload, in this order, without gaps. */
export interface FetchResponse {
  /** How long the client was or should be held back by a quota, in milliseconds; 0 for not at all. */
  throttleMs: number
  /** The partitions that have data, an error or a moved high watermark; all others are left out. */
  partitions: FetchedPartition[]
}

/** One partition. */
export interface OffsetOfPartition {
  /** Topic id, a UUID in its canonical text form, as metadata gives it. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
}

/** Asks how far a group has read. */
export interface FetchOffsetsRequest {
  /** Group name. */
  group: string
  /** Partitions, or null for all that the group has an offset in. */
  partitions: OffsetOfPartition[] | null
}

/** One partition. */
export interface CommittedOffset {
  /** Topic name. */
  topic: string
  /** Topic id, a UUID in its canonical text form, as metadata gives it. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** Error number of this item from errors.json; 0 means it succeeded. */
  error: number
  /** What went wrong and what to do next; empty where error is 0. */
  message: string
  /** Committed offset; -1 where there is none. */
  offset: number
  /** Leader epoch of the partition; -1 where unknown. */
  leaderEpoch: number
  /** Free text stored with it, or null. */
  metadata: string | null
  /** When it was committed, in milliseconds since 1970-01-01 UTC; -1 where never. */
  committedAt: number
}

/** One answer per partition. */
export interface FetchOffsetsResponse {
  /** Answers. */
  offsets: CommittedOffset[]
}

/** Sent by a broker that is about to stop: finish what is in flight, connect elsewhere, send nothing new here. */
export interface GoAwayNotice {
  /** Why, for people. */
  reason: string
  /** When the broker will close the connection at the latest, in milliseconds from now. */
  closesInMs: number
}

/** Partitions of one topic. */
export interface OwnedPartitions {
  /** Topic id, a UUID in its canonical text form, as metadata gives it. */
  topicId: string
  /** Partition numbers. */
  partitions: number[]
}

/** Says that the member lives and what it works on; learns the assignment. Send it with the UNORDERED flag. */
export interface HeartbeatGroupRequest {
  /** Group name. */
  group: string
  /** Member id that joinGroup gave. */
  memberId: string
  /** Generation of the group: it rises with each new assignment, and fences members that missed one. */
  generation: number
  /** How long the broker may hold the answer back while nothing changes, in milliseconds; 0 to answer at once. */
  maxWaitMs: number
  /** Partitions that the member still works on. A partition moves to another member only when its owner no longer lists it here. */
  owned: OwnedPartitions[]
}

/** Partitions of one topic. */
export interface AssignedPartitions {
  /** Topic name. */
  topic: string
  /** Topic id, a UUID in its canonical text form, as metadata gives it. */
  topicId: string
  /** Partition numbers. */
  partitions: number[]
}

/** The assignment as it is now. */
export interface HeartbeatGroupResponse {
  /** Generation of the group: it rises with each new assignment, and fences members that missed one. */
  generation: number
  /** Send the next heartbeat at the latest after this many milliseconds. */
  heartbeatIntervalMs: number
  /** Partitions that the member may work on now. Stop work on all others, commit, then send a heartbeat without them. */
  assigned: AssignedPartitions[]
}

/** Versions of one api that the client can speak. */
export interface ClientApiRange {
  /** Api key. */
  api: number
  /** Lowest version. */
  minVersion: number
  /** Highest version. */
  maxVersion: number
}

/** First frame on every connection: who the client is and what it speaks. */
export interface HelloRequest {
  /** Name of the client program, for logs and connection listings; may be empty. */
  clientName: string
  /** Version of the client library. */
  clientVersion: string
  /** Apis that the client means to use; may be empty. */
  apis: ClientApiRange[]
  /** Feature bits that the client understands; see PROTOCOL.md. */
  features: number
  /** Authentication mechanism that the client wants to use next, or null for none. */
  mechanism: string | null
}

/** Versions of one api that the broker can speak. */
export interface BrokerApiRange {
  /** Api key. */
  api: number
  /** Api name. */
  name: string
  /** Lowest version. */
  minVersion: number
  /** Highest version. */
  maxVersion: number
}

/** What the broker speaks, and the limits that the client must keep to. */
export interface HelloResponse {
  /** Cluster id, a UUID. It is the same on every broker of one cluster. */
  clusterId: string
  /** Id of this broker. */
  brokerId: number
  /** Version of the broker software. */
  brokerVersion: string
  /** Every api of this broker. */
  apis: BrokerApiRange[]
  /** Feature bits in force on this connection: those that both sides understand. */
  features: number
  /** Authentication mechanisms on offer; empty where none is asked for. */
  mechanisms: string[]
  /** Largest frame that either side may send: the value of its size field, in bytes. */
  maxFrameBytes: number
  /** Largest record batch that the broker takes, header included, in bytes. */
  maxRecordBatchBytes: number
  /** Requests that a connection may have unanswered; the broker reads no further past it. */
  maxInFlightRequests: number
  /** Bytes of unanswered requests of a connection; the broker reads no further past it. */
  maxInFlightBytes: number
}

/** Gets a producer id, or raises the epoch of one and so fences its earlier user. */
export interface InitProducerRequest {
  /** Producer id held so far, or -1 for a new one. */
  producerId: number
  /** Epoch held so far, or -1 for a new id. */
  producerEpoch: number
}

/** The identity to put into every batch. Sequences start at 0. */
export interface InitProducerResponse {
  /** Producer id. */
  producerId: number
  /** Producer epoch, 0 to 65535. */
  producerEpoch: number
}

/** Joins a group, or joins it again after UNKNOWN_MEMBER or with other topics. */
export interface JoinGroupRequest {
  /** Group name. */
  group: string
  /** Member id held before, or empty for a new member. */
  memberId: string
  /** Name of a static member, which keeps its partitions over a restart within the session timeout; null for a dynamic member. */
  instanceId: string | null
  /** Topics to read. */
  topics: string[]
  /** How partitions are dealt out: range, round-robin, sticky or cooperative; empty for that of the group, or cooperative. All members must ask for the same. */
  assignor: string
  /** A member that is not heard from for so long is taken out, in milliseconds. */
  sessionTimeoutMs: number
  /** How long a member may take to give up a partition, in milliseconds; then it is taken from it. */
  rebalanceTimeoutMs: number
  /** Partitions that the member still works on. A partition moves to another member only when its owner no longer lists it here. */
  owned: OwnedPartitions[]
}

/** The place in the group. */
export interface JoinGroupResponse {
  /** Member id that joinGroup gave. */
  memberId: string
  /** Generation of the group: it rises with each new assignment, and fences members that missed one. */
  generation: number
  /** Assignor in force. */
  assignor: string
  /** Send the next heartbeat at the latest after this many milliseconds. */
  heartbeatIntervalMs: number
  /** Partitions that the member may work on now. Stop work on all others, commit, then send a heartbeat without them. */
  assigned: AssignedPartitions[]
}

/** Leaves a group at once, so that its partitions need not wait for the session timeout. */
export interface LeaveGroupRequest {
  /** Group name. */
  group: string
  /** Member id. */
  memberId: string
}

/** Done. */
export type LeaveGroupResponse = Record<never, never>

/** Asks for all groups. */
export type ListGroupsRequest = Record<never, never>

/** What the group is doing. */
export type ListedGroupState = 'empty' | 'rebalancing' | 'stable'

/** One group. */
export interface ListedGroup {
  /** Group name. */
  group: string
  /** empty, rebalancing or stable. */
  state: ListedGroupState
  /** Number of members. */
  members: number
}

/** All groups by name: those with members and those with a committed offset. */
export interface ListGroupsResponse {
  /** Groups. */
  groups: ListedGroup[]
}

/** What to find. */
export type OffsetPosition = 'earliest' | 'latest' | 'timestamp'

/** One question. */
export interface OffsetQuery {
  /** Topic id, a UUID in its canonical text form, as metadata gives it. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** earliest: the first offset held; latest: the high watermark; timestamp: the first record at or after a time. */
  position: OffsetPosition
  /** Milliseconds since 1970-01-01 UTC, for position timestamp; otherwise -1. */
  timestamp: number
}

/** Finds offsets by position or by time. */
export interface ListOffsetsRequest {
  /** How long the broker may work on the request before it answers REQUEST_TIMED_OUT, in milliseconds. */
  timeoutMs: number
  /** Questions. */
  partitions: OffsetQuery[]
}

/** One answer. */
export interface OffsetAnswer {
  /** Topic id, a UUID in its canonical text form, as metadata gives it. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** Error number of this item from errors.json; 0 means it succeeded. */
  error: number
  /** What went wrong and what to do next; empty where error is 0. */
  message: string
  /** The offset; the high watermark where no record is as late as the time asked for. */
  offset: number
  /** Timestamp of the record found, in milliseconds; -1 where none was looked for or found. */
  timestamp: number
  /** Leader epoch of the partition; -1 where unknown. */
  leaderEpoch: number
}

/** One answer per question, in order. */
export interface ListOffsetsResponse {
  /** Answers. */
  partitions: OffsetAnswer[]
}

/** Asks for the names of all topics. */
export type ListTopicsRequest = Record<never, never>

/** How the topic is meant to be read. */
export type ListedTopicKind = 'stream' | 'queue'

/** One topic. */
export interface ListedTopic {
  /** Topic name. */
  name: string
  /** Topic id, a UUID in its canonical text form, as metadata gives it. */
  topicId: string
  /** stream or queue. */
  kind: ListedTopicKind
  /** Number of partitions. */
  partitions: number
  /** Number of replicas. */
  replicationFactor: number
}

/** All topics by name. */
export interface ListTopicsResponse {
  /** Topics. */
  topics: ListedTopic[]
}

/** Asks who leads what. */
export interface MetadataRequest {
  /** Topic names, or null for all topics. An empty list asks for the brokers alone. */
  topics: string[] | null
}

/** Where to reach one broker. */
export interface BrokerAddress {
  /** Broker id. */
  brokerId: number
  /** Host name or address for clients. */
  host: string
  /** TCP port for clients. */
  port: number
  /** Rack or zone label, or null. */
  rack: string | null
}

/** How the topic is meant to be read. */
export type TopicKind = 'stream' | 'queue'

/** One partition. */
export interface PartitionMetadata {
  /** Partition number, from 0. */
  partition: number
  /** Id of the broker that leads the partition; -1 where there is none or it is unknown. */
  leader: number
  /** Leader epoch of the partition; -1 where unknown. */
  leaderEpoch: number
  /** Ids of the brokers that hold it, the preferred leader first. */
  replicas: number[]
}

/** One topic. */
export interface TopicMetadata {
  /** Error number of this item from errors.json; 0 means it succeeded. */
  error: number
  /** What went wrong and what to do next; empty where error is 0. */
  message: string
  /** Topic name. */
  name: string
  /** Topic id, a UUID in its canonical text form, as metadata gives it. */
  topicId: string
  /** stream: read by offsets; queue: read under leases. */
  kind: TopicKind
  /** Partitions in order. */
  partitions: PartitionMetadata[]
}

/** The brokers, and the topics that were asked for. */
export interface MetadataResponse {
  /** Cluster id, a UUID. */
  clusterId: string
  /** Id of the broker that is the controller; -1 where there is none now. */
  controllerId: number
  /** Live brokers. */
  brokers: BrokerAddress[]
  /** In the order asked, or by name where all were asked for. */
  topics: TopicMetadata[]
}

/** When to answer. */
export type Acks = 'none' | 'leader' | 'quorum'

/** One record batch for one partition. */
export interface ProduceBatch {
  /** Topic id, a UUID in its canonical text form, as metadata gives it. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** Size of the batch in the payload, in bytes. */
  size: number
}

/** Appends record batches. The batches follow in the payload, in this order, without gaps. */
export interface ProduceRequest {
  /** none: do not answer at all; leader: when the leader has it; quorum: when it is durable on a majority of replicas. */
  acks: Acks
  /** How long the broker may work on the request before it answers REQUEST_TIMED_OUT, in milliseconds. */
  timeoutMs: number
  /** At least one. A partition may stand here more than once; its batches are appended in this order. */
  batches: ProduceBatch[]
}

/** What became of one batch. */
export interface ProduceResult {
  /** Partition number, from 0. */
  partition: number
  /** Error number of this item from errors.json; 0 means it succeeded. */
  error: number
  /** What went wrong and what to do next; empty where error is 0. */
  message: string
  /** Offset of the first record of the batch; -1 where the batch was refused. The original offset where it is a duplicate. */
  baseOffset: number
  /** First offset that the partition still holds; -1 where unknown. */
  logStartOffset: number
  /** True where an earlier copy of the batch (same producer and sequence) was already stored. */
  duplicate: boolean
  /** Id of the broker that leads the partition; -1 where there is none or it is unknown. */
  leader: number
  /** Leader epoch of the partition; -1 where unknown. */
  leaderEpoch: number
}

/** One result per batch, in the order of the request. */
export interface ProduceResponse {
  /** How long the client was or should be held back by a quota, in milliseconds; 0 for not at all. */
  throttleMs: number
  /** Results. */
  results: ProduceResult[]
}

/** Message types by api and direction, in their newest version. */
export interface Messages {
  'alterTopics.request': AlterTopicsRequest
  'alterTopics.response': AlterTopicsResponse
  'commitOffsets.request': CommitOffsetsRequest
  'commitOffsets.response': CommitOffsetsResponse
  'createTopics.request': CreateTopicsRequest
  'createTopics.response': CreateTopicsResponse
  'deleteGroups.request': DeleteGroupsRequest
  'deleteGroups.response': DeleteGroupsResponse
  'deleteRecords.request': DeleteRecordsRequest
  'deleteRecords.response': DeleteRecordsResponse
  'deleteTopics.request': DeleteTopicsRequest
  'deleteTopics.response': DeleteTopicsResponse
  'describeBroker.request': DescribeBrokerRequest
  'describeBroker.response': DescribeBrokerResponse
  'describeGroups.request': DescribeGroupsRequest
  'describeGroups.response': DescribeGroupsResponse
  'describeTopics.request': DescribeTopicsRequest
  'describeTopics.response': DescribeTopicsResponse
  'error.response': ErrorResponse
  'fetch.request': FetchRequest
  'fetch.response': FetchResponse
  'fetchOffsets.request': FetchOffsetsRequest
  'fetchOffsets.response': FetchOffsetsResponse
  'goAway.notice': GoAwayNotice
  'heartbeatGroup.request': HeartbeatGroupRequest
  'heartbeatGroup.response': HeartbeatGroupResponse
  'hello.request': HelloRequest
  'hello.response': HelloResponse
  'initProducer.request': InitProducerRequest
  'initProducer.response': InitProducerResponse
  'joinGroup.request': JoinGroupRequest
  'joinGroup.response': JoinGroupResponse
  'leaveGroup.request': LeaveGroupRequest
  'leaveGroup.response': LeaveGroupResponse
  'listGroups.request': ListGroupsRequest
  'listGroups.response': ListGroupsResponse
  'listOffsets.request': ListOffsetsRequest
  'listOffsets.response': ListOffsetsResponse
  'listTopics.request': ListTopicsRequest
  'listTopics.response': ListTopicsResponse
  'metadata.request': MetadataRequest
  'metadata.response': MetadataResponse
  'produce.request': ProduceRequest
  'produce.response': ProduceResponse
}

/** Schemas by message name, without their docs. */
export const SCHEMAS = {
  'alterTopics.v1.request': {"type":"record","name":"AlterTopicsRequest","namespace":"sluice.v1","fields":[{"name":"timeoutMs","type":"int"},{"name":"validateOnly","type":"boolean"},{"name":"topics","type":{"type":"array","items":{"type":"record","name":"TopicChange","fields":[{"name":"name","type":"string"},{"name":"partitions","type":"int"},{"name":"set","type":{"type":"map","values":"string"}},{"name":"unset","type":{"type":"array","items":"string"}}]}}}]},
  'alterTopics.v1.response': {"type":"record","name":"AlterTopicsResponse","namespace":"sluice.v1","fields":[{"name":"topics","type":{"type":"array","items":{"type":"record","name":"AlteredTopic","fields":[{"name":"name","type":"string"},{"name":"error","type":"int"},{"name":"message","type":"string"}]}}}]},
  'commitOffsets.v1.request': {"type":"record","name":"CommitOffsetsRequest","namespace":"sluice.v1","fields":[{"name":"group","type":"string"},{"name":"memberId","type":"string"},{"name":"generation","type":"int"},{"name":"offsets","type":{"type":"array","items":{"type":"record","name":"OffsetToCommit","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"offset","type":"long"},{"name":"leaderEpoch","type":"int"},{"name":"metadata","type":["null","string"]}]}}}]},
  'commitOffsets.v1.response': {"type":"record","name":"CommitOffsetsResponse","namespace":"sluice.v1","fields":[{"name":"results","type":{"type":"array","items":{"type":"record","name":"CommitResult","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"error","type":"int"},{"name":"message","type":"string"}]}}}]},
  'createTopics.v1.request': {"type":"record","name":"CreateTopicsRequest","namespace":"sluice.v1","fields":[{"name":"timeoutMs","type":"int"},{"name":"validateOnly","type":"boolean"},{"name":"topics","type":{"type":"array","items":{"type":"record","name":"NewTopic","fields":[{"name":"name","type":"string"},{"name":"kind","type":{"type":"enum","name":"NewTopicKind","symbols":["stream","queue"]}},{"name":"partitions","type":"int"},{"name":"replicationFactor","type":"int"},{"name":"config","type":{"type":"map","values":"string"}}]}}}]},
  'createTopics.v1.response': {"type":"record","name":"CreateTopicsResponse","namespace":"sluice.v1","fields":[{"name":"topics","type":{"type":"array","items":{"type":"record","name":"CreatedTopic","fields":[{"name":"name","type":"string"},{"name":"error","type":"int"},{"name":"message","type":"string"},{"name":"topicId","type":"string"},{"name":"partitions","type":"int"},{"name":"replicationFactor","type":"int"}]}}}]},
  'deleteGroups.v1.request': {"type":"record","name":"DeleteGroupsRequest","namespace":"sluice.v1","fields":[{"name":"groups","type":{"type":"array","items":"string"}}]},
  'deleteGroups.v1.response': {"type":"record","name":"DeleteGroupsResponse","namespace":"sluice.v1","fields":[{"name":"groups","type":{"type":"array","items":{"type":"record","name":"DeletedGroup","fields":[{"name":"group","type":"string"},{"name":"error","type":"int"},{"name":"message","type":"string"}]}}}]},
  'deleteRecords.v1.request': {"type":"record","name":"DeleteRecordsRequest","namespace":"sluice.v1","fields":[{"name":"timeoutMs","type":"int"},{"name":"partitions","type":{"type":"array","items":{"type":"record","name":"DeleteRecordsPartition","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"beforeOffset","type":"long"}]}}}]},
  'deleteRecords.v1.response': {"type":"record","name":"DeleteRecordsResponse","namespace":"sluice.v1","fields":[{"name":"partitions","type":{"type":"array","items":{"type":"record","name":"DeleteRecordsResult","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"error","type":"int"},{"name":"message","type":"string"},{"name":"logStartOffset","type":"long"}]}}}]},
  'deleteTopics.v1.request': {"type":"record","name":"DeleteTopicsRequest","namespace":"sluice.v1","fields":[{"name":"timeoutMs","type":"int"},{"name":"names","type":{"type":"array","items":"string"}}]},
  'deleteTopics.v1.response': {"type":"record","name":"DeleteTopicsResponse","namespace":"sluice.v1","fields":[{"name":"topics","type":{"type":"array","items":{"type":"record","name":"DeletedTopic","fields":[{"name":"name","type":"string"},{"name":"error","type":"int"},{"name":"message","type":"string"}]}}}]},
  'describeBroker.v1.request': {"type":"record","name":"DescribeBrokerRequest","namespace":"sluice.v1","fields":[]},
  'describeBroker.v1.response': {"type":"record","name":"DescribeBrokerResponse","namespace":"sluice.v1","fields":[{"name":"brokerId","type":"int"},{"name":"clusterId","type":"string"},{"name":"version","type":"string"},{"name":"startedAt","type":"long"},{"name":"config","type":{"type":"array","items":{"type":"record","name":"BrokerSetting","fields":[{"name":"name","type":"string"},{"name":"value","type":"string"},{"name":"source","type":{"type":"enum","name":"BrokerSettingSource","symbols":["default","file","environment","flag"]}}]}}},{"name":"topics","type":"int"},{"name":"partitions","type":"int"},{"name":"failedPartitions","type":"int"},{"name":"connections","type":"int"},{"name":"dataBytes","type":"long"},{"name":"diskFreeBytes","type":"long"},{"name":"diskTotalBytes","type":"long"},{"name":"rssBytes","type":"long"},{"name":"eventLoopDelayP99Us","type":"long"}]},
  'describeGroups.v1.request': {"type":"record","name":"DescribeGroupsRequest","namespace":"sluice.v1","fields":[{"name":"groups","type":{"type":"array","items":"string"}}]},
  'describeGroups.v1.response': {"type":"record","name":"DescribeGroupsResponse","namespace":"sluice.v1","fields":[{"name":"groups","type":{"type":"array","items":{"type":"record","name":"GroupDescription","fields":[{"name":"group","type":"string"},{"name":"error","type":"int"},{"name":"message","type":"string"},{"name":"state","type":{"type":"enum","name":"GroupState","symbols":["empty","rebalancing","stable"]}},{"name":"generation","type":"int"},{"name":"assignor","type":"string"},{"name":"members","type":{"type":"array","items":{"type":"record","name":"GroupMember","fields":[{"name":"memberId","type":"string"},{"name":"instanceId","type":["null","string"]},{"name":"clientName","type":"string"},{"name":"clientAddress","type":"string"},{"name":"topics","type":{"type":"array","items":"string"}},{"name":"assigned","type":{"type":"array","items":{"type":"record","name":"MemberPartitions","fields":[{"name":"topic","type":"string"},{"name":"topicId","type":"string"},{"name":"partitions","type":{"type":"array","items":"int"}}]}}},{"name":"sessionTimeoutMs","type":"int"},{"name":"lastHeartbeatAgoMs","type":"int"}]}}}]}}}]},
  'describeTopics.v1.request': {"type":"record","name":"DescribeTopicsRequest","namespace":"sluice.v1","fields":[{"name":"names","type":["null",{"type":"array","items":"string"}]}]},
  'describeTopics.v1.response': {"type":"record","name":"DescribeTopicsResponse","namespace":"sluice.v1","fields":[{"name":"topics","type":{"type":"array","items":{"type":"record","name":"TopicDescription","fields":[{"name":"name","type":"string"},{"name":"error","type":"int"},{"name":"message","type":"string"},{"name":"topicId","type":"string"},{"name":"kind","type":{"type":"enum","name":"DescribedTopicKind","symbols":["stream","queue"]}},{"name":"createdAt","type":"long"},{"name":"replicationFactor","type":"int"},{"name":"config","type":{"type":"array","items":{"type":"record","name":"TopicSetting","fields":[{"name":"name","type":"string"},{"name":"value","type":"string"},{"name":"source","type":{"type":"enum","name":"SettingSource","symbols":["default","broker","topic"]}}]}}},{"name":"partitions","type":{"type":"array","items":{"type":"record","name":"PartitionDescription","fields":[{"name":"partition","type":"int"},{"name":"leader","type":"int"},{"name":"leaderEpoch","type":"int"},{"name":"replicas","type":{"type":"array","items":"int"}},{"name":"logStartOffset","type":"long"},{"name":"highWatermark","type":"long"},{"name":"nextOffset","type":"long"},{"name":"sizeBytes","type":"long"},{"name":"segments","type":"int"},{"name":"state","type":{"type":"enum","name":"PartitionState","symbols":["online","readOnly","failed","offline"]}},{"name":"stateReason","type":"string"},{"name":"quarantined","type":{"type":"array","items":{"type":"record","name":"QuarantinedRange","fields":[{"name":"from","type":"long"},{"name":"to","type":"long"}]}}}]}}}]}}}]},
  'error.v1.response': {"type":"record","name":"ErrorResponse","namespace":"sluice.v1","fields":[{"name":"code","type":"int"},{"name":"message","type":"string"},{"name":"retryAfterMs","type":"int"}]},
  'fetch.v1.request': {"type":"record","name":"FetchRequest","namespace":"sluice.v1","fields":[{"name":"maxWaitMs","type":"int"},{"name":"minBytes","type":"int"},{"name":"maxBytes","type":"int"},{"name":"partitions","type":{"type":"array","items":{"type":"record","name":"FetchPartition","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"offset","type":"long"},{"name":"lastEpoch","type":"int"},{"name":"maxBytes","type":"int"}]}}}]},
  'fetch.v1.response': {"type":"record","name":"FetchResponse","namespace":"sluice.v1","fields":[{"name":"throttleMs","type":"int"},{"name":"partitions","type":{"type":"array","items":{"type":"record","name":"FetchedPartition","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"error","type":"int"},{"name":"message","type":"string"},{"name":"highWatermark","type":"long"},{"name":"logStartOffset","type":"long"},{"name":"leader","type":"int"},{"name":"leaderEpoch","type":"int"},{"name":"resumeOffset","type":"long"},{"name":"size","type":"int"}]}}}]},
  'fetchOffsets.v1.request': {"type":"record","name":"FetchOffsetsRequest","namespace":"sluice.v1","fields":[{"name":"group","type":"string"},{"name":"partitions","type":["null",{"type":"array","items":{"type":"record","name":"OffsetOfPartition","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"}]}}]}]},
  'fetchOffsets.v1.response': {"type":"record","name":"FetchOffsetsResponse","namespace":"sluice.v1","fields":[{"name":"offsets","type":{"type":"array","items":{"type":"record","name":"CommittedOffset","fields":[{"name":"topic","type":"string"},{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"error","type":"int"},{"name":"message","type":"string"},{"name":"offset","type":"long"},{"name":"leaderEpoch","type":"int"},{"name":"metadata","type":["null","string"]},{"name":"committedAt","type":"long"}]}}}]},
  'goAway.v1.notice': {"type":"record","name":"GoAwayNotice","namespace":"sluice.v1","fields":[{"name":"reason","type":"string"},{"name":"closesInMs","type":"int"}]},
  'heartbeatGroup.v1.request': {"type":"record","name":"HeartbeatGroupRequest","namespace":"sluice.v1","fields":[{"name":"group","type":"string"},{"name":"memberId","type":"string"},{"name":"generation","type":"int"},{"name":"maxWaitMs","type":"int"},{"name":"owned","type":{"type":"array","items":{"type":"record","name":"OwnedPartitions","fields":[{"name":"topicId","type":"string"},{"name":"partitions","type":{"type":"array","items":"int"}}]}}}]},
  'heartbeatGroup.v1.response': {"type":"record","name":"HeartbeatGroupResponse","namespace":"sluice.v1","fields":[{"name":"generation","type":"int"},{"name":"heartbeatIntervalMs","type":"int"},{"name":"assigned","type":{"type":"array","items":{"type":"record","name":"AssignedPartitions","fields":[{"name":"topic","type":"string"},{"name":"topicId","type":"string"},{"name":"partitions","type":{"type":"array","items":"int"}}]}}}]},
  'hello.v1.request': {"type":"record","name":"HelloRequest","namespace":"sluice.v1","fields":[{"name":"clientName","type":"string"},{"name":"clientVersion","type":"string"},{"name":"apis","type":{"type":"array","items":{"type":"record","name":"ClientApiRange","fields":[{"name":"api","type":"int"},{"name":"minVersion","type":"int"},{"name":"maxVersion","type":"int"}]}}},{"name":"features","type":"long"},{"name":"mechanism","type":["null","string"]}]},
  'hello.v1.response': {"type":"record","name":"HelloResponse","namespace":"sluice.v1","fields":[{"name":"clusterId","type":"string"},{"name":"brokerId","type":"int"},{"name":"brokerVersion","type":"string"},{"name":"apis","type":{"type":"array","items":{"type":"record","name":"BrokerApiRange","fields":[{"name":"api","type":"int"},{"name":"name","type":"string"},{"name":"minVersion","type":"int"},{"name":"maxVersion","type":"int"}]}}},{"name":"features","type":"long"},{"name":"mechanisms","type":{"type":"array","items":"string"}},{"name":"maxFrameBytes","type":"int"},{"name":"maxRecordBatchBytes","type":"int"},{"name":"maxInFlightRequests","type":"int"},{"name":"maxInFlightBytes","type":"int"}]},
  'initProducer.v1.request': {"type":"record","name":"InitProducerRequest","namespace":"sluice.v1","fields":[{"name":"producerId","type":"long"},{"name":"producerEpoch","type":"int"}]},
  'initProducer.v1.response': {"type":"record","name":"InitProducerResponse","namespace":"sluice.v1","fields":[{"name":"producerId","type":"long"},{"name":"producerEpoch","type":"int"}]},
  'joinGroup.v1.request': {"type":"record","name":"JoinGroupRequest","namespace":"sluice.v1","fields":[{"name":"group","type":"string"},{"name":"memberId","type":"string"},{"name":"instanceId","type":["null","string"]},{"name":"topics","type":{"type":"array","items":"string"}},{"name":"assignor","type":"string"},{"name":"sessionTimeoutMs","type":"int"},{"name":"rebalanceTimeoutMs","type":"int"},{"name":"owned","type":{"type":"array","items":{"type":"record","name":"OwnedPartitions","fields":[{"name":"topicId","type":"string"},{"name":"partitions","type":{"type":"array","items":"int"}}]}}}]},
  'joinGroup.v1.response': {"type":"record","name":"JoinGroupResponse","namespace":"sluice.v1","fields":[{"name":"memberId","type":"string"},{"name":"generation","type":"int"},{"name":"assignor","type":"string"},{"name":"heartbeatIntervalMs","type":"int"},{"name":"assigned","type":{"type":"array","items":{"type":"record","name":"AssignedPartitions","fields":[{"name":"topic","type":"string"},{"name":"topicId","type":"string"},{"name":"partitions","type":{"type":"array","items":"int"}}]}}}]},
  'leaveGroup.v1.request': {"type":"record","name":"LeaveGroupRequest","namespace":"sluice.v1","fields":[{"name":"group","type":"string"},{"name":"memberId","type":"string"}]},
  'leaveGroup.v1.response': {"type":"record","name":"LeaveGroupResponse","namespace":"sluice.v1","fields":[]},
  'listGroups.v1.request': {"type":"record","name":"ListGroupsRequest","namespace":"sluice.v1","fields":[]},
  'listGroups.v1.response': {"type":"record","name":"ListGroupsResponse","namespace":"sluice.v1","fields":[{"name":"groups","type":{"type":"array","items":{"type":"record","name":"ListedGroup","fields":[{"name":"group","type":"string"},{"name":"state","type":{"type":"enum","name":"ListedGroupState","symbols":["empty","rebalancing","stable"]}},{"name":"members","type":"int"}]}}}]},
  'listOffsets.v1.request': {"type":"record","name":"ListOffsetsRequest","namespace":"sluice.v1","fields":[{"name":"timeoutMs","type":"int"},{"name":"partitions","type":{"type":"array","items":{"type":"record","name":"OffsetQuery","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"position","type":{"type":"enum","name":"OffsetPosition","symbols":["earliest","latest","timestamp"]}},{"name":"timestamp","type":"long"}]}}}]},
  'listOffsets.v1.response': {"type":"record","name":"ListOffsetsResponse","namespace":"sluice.v1","fields":[{"name":"partitions","type":{"type":"array","items":{"type":"record","name":"OffsetAnswer","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"error","type":"int"},{"name":"message","type":"string"},{"name":"offset","type":"long"},{"name":"timestamp","type":"long"},{"name":"leaderEpoch","type":"int"}]}}}]},
  'listTopics.v1.request': {"type":"record","name":"ListTopicsRequest","namespace":"sluice.v1","fields":[]},
  'listTopics.v1.response': {"type":"record","name":"ListTopicsResponse","namespace":"sluice.v1","fields":[{"name":"topics","type":{"type":"array","items":{"type":"record","name":"ListedTopic","fields":[{"name":"name","type":"string"},{"name":"topicId","type":"string"},{"name":"kind","type":{"type":"enum","name":"ListedTopicKind","symbols":["stream","queue"]}},{"name":"partitions","type":"int"},{"name":"replicationFactor","type":"int"}]}}}]},
  'metadata.v1.request': {"type":"record","name":"MetadataRequest","namespace":"sluice.v1","fields":[{"name":"topics","type":["null",{"type":"array","items":"string"}]}]},
  'metadata.v1.response': {"type":"record","name":"MetadataResponse","namespace":"sluice.v1","fields":[{"name":"clusterId","type":"string"},{"name":"controllerId","type":"int"},{"name":"brokers","type":{"type":"array","items":{"type":"record","name":"BrokerAddress","fields":[{"name":"brokerId","type":"int"},{"name":"host","type":"string"},{"name":"port","type":"int"},{"name":"rack","type":["null","string"]}]}}},{"name":"topics","type":{"type":"array","items":{"type":"record","name":"TopicMetadata","fields":[{"name":"error","type":"int"},{"name":"message","type":"string"},{"name":"name","type":"string"},{"name":"topicId","type":"string"},{"name":"kind","type":{"type":"enum","name":"TopicKind","symbols":["stream","queue"]}},{"name":"partitions","type":{"type":"array","items":{"type":"record","name":"PartitionMetadata","fields":[{"name":"partition","type":"int"},{"name":"leader","type":"int"},{"name":"leaderEpoch","type":"int"},{"name":"replicas","type":{"type":"array","items":"int"}}]}}}]}}}]},
  'produce.v1.request': {"type":"record","name":"ProduceRequest","namespace":"sluice.v1","fields":[{"name":"acks","type":{"type":"enum","name":"Acks","symbols":["none","leader","quorum"]}},{"name":"timeoutMs","type":"int"},{"name":"batches","type":{"type":"array","items":{"type":"record","name":"ProduceBatch","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"size","type":"int"}]}}}]},
  'produce.v1.response': {"type":"record","name":"ProduceResponse","namespace":"sluice.v1","fields":[{"name":"throttleMs","type":"int"},{"name":"results","type":{"type":"array","items":{"type":"record","name":"ProduceResult","fields":[{"name":"partition","type":"int"},{"name":"error","type":"int"},{"name":"message","type":"string"},{"name":"baseOffset","type":"long"},{"name":"logStartOffset","type":"long"},{"name":"duplicate","type":"boolean"},{"name":"leader","type":"int"},{"name":"leaderEpoch","type":"int"}]}}}]},
} as const
