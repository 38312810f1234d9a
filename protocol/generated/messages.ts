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
  /** Change settings, add partitions, change the number of replicas. */
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
  /** Begin a session, or take it up again. */
  openSession: 40,
  /** Keep a session and its leases; learn which are lost. */
  heartbeatSession: 41,
  /** End a session and give its leases back. */
  closeSession: 42,
  /** Lease records of queue groups, with a long poll. */
  receive: 43,
  /** Acknowledge, retry, give back, reject, extend or start leased records. */
  settle: 44,
  /** Cancel records. */
  cancelRecords: 45,
  /** Put records off or bring them forward. */
  rescheduleRecords: 46,
  /** Ask why records are not delivered. */
  explainRecords: 47,
  /** Figures of queue groups. */
  queueStats: 48,
  /** Look at records without leasing them. */
  peekRecords: 49,
  /** Pause, resume or purge; let a stopped key go on. */
  controlQueue: 50,
  /** Move dead letters back. */
  startRedrive: 51,
  /** How far redrives have come. */
  describeRedrives: 52,
  /** Stop a redrive. */
  cancelRedrive: 53,
  /** Brokers of the cluster, what they hold, and moves under way. */
  describeCluster: 54,
  /** Even out, drain, or call off moves. */
  changePlacement: 55,
  /** Go on without a majority that is gone for ever; may lose records. */
  forceRecover: 56,
  /** Say which brokers are to hold a partition. */
  moveReplicas: 57,
  /** Between brokers: who connects. */
  peerHello: 60,
  /** Between brokers: replication of partitions. */
  replicate: 61,
  /** Between brokers: a dead letter for a partition that the other one leads. */
  storeDeadLetter: 62,
  /** Between brokers: what of a redrive a partition has. */
  findRedriven: 63,
  /** Between brokers: records of a redrive. */
  appendRedriven: 64,
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
  openSession: { min: 1, max: 1 },
  heartbeatSession: { min: 1, max: 1 },
  closeSession: { min: 1, max: 1 },
  receive: { min: 1, max: 1 },
  settle: { min: 1, max: 1 },
  cancelRecords: { min: 1, max: 1 },
  rescheduleRecords: { min: 1, max: 1 },
  explainRecords: { min: 1, max: 1 },
  queueStats: { min: 1, max: 1 },
  peekRecords: { min: 1, max: 1 },
  controlQueue: { min: 1, max: 1 },
  startRedrive: { min: 1, max: 1 },
  describeRedrives: { min: 1, max: 1 },
  cancelRedrive: { min: 1, max: 1 },
  describeCluster: { min: 1, max: 1 },
  changePlacement: { min: 1, max: 1 },
  forceRecover: { min: 1, max: 1 },
  moveReplicas: { min: 1, max: 1 },
  peerHello: { min: 1, max: 1 },
  replicate: { min: 1, max: 1 },
  storeDeadLetter: { min: 1, max: 1 },
  findRedriven: { min: 1, max: 1 },
  appendRedriven: { min: 1, max: 1 },
}

/** Changes of one topic; all of them are made or none. */
export interface TopicChange {
  /** Topic name. */
  name: string
  /** New number of partitions, not below the present one; 0 to leave it. */
  partitions: number
  /** New number of replicas of each partition, odd; 0 to leave it. They are copied, or removed, after the answer: describeCluster shows how far that is. */
  replicationFactor: number
  /** Settings to set. */
  set: Record<string, string>
  /** Settings to put back to their default. */
  unset: string[]
}

/** Changes settings of topics, adds partitions, and changes how many replicas there are. */
export interface AlterTopicsRequest {
  /** How long the broker may work on the request before it answers REQUEST_TIMED_OUT, in milliseconds. */
  timeoutMs: number
  /** True to check everything and change nothing. */
  validateOnly: boolean
  /** Changes. */
  topics: TopicChange[]
}

/** A partition that is going to be held by more brokers, or by fewer. */
export interface AlteredPlacement {
  /** Partition number. */
  partition: number
  /** Brokers that hold it now, the leader first. */
  from: number[]
  /** Brokers that are to hold it; the first is to lead. */
  to: number[]
}

/** What became of one topic. */
export interface AlteredTopic {
  /** Topic name. */
  name: string
  /** Error number of this item from errors.json; 0 means it succeeded. */
  error: number
  /** What went wrong and what to do next; empty where error is 0. */
  message: string
  /** What a new number of replicas brings about, by partition; empty where it is left, and with an error. */
  moves: AlteredPlacement[]
}

/** One result per topic, in order. */
export interface AlterTopicsResponse {
  /** Results. */
  topics: AlteredTopic[]
}

/** A broker that runs a redrive has records appended to a partition that another broker leads. They follow in the payload, as a record batch. */
export interface AppendRedrivenRequest {
  /** Id of the job, a UUID. */
  redriveId: string
  /** Which of the brokers that have run the job asks: each that takes it up has a higher term. */
  term: number
  /** Number of this request; each of a term has a higher one than those before. One that comes after a later one, or after one of a higher term, is refused. */
  ask: number
  /** Topic id of the target, a UUID in its canonical text form. */
  topicId: string
  /** Partition of the target, from 0. */
  partition: number
  /** Leader epoch of the partition as findRedriven told it; in another one nothing is appended, since something may have come meanwhile. */
  leaderEpoch: number
}

/** The records are committed. */
export interface AppendRedrivenResponse {
  /** Offset of the first of them. */
  baseOffset: number
}

/** A record, by exactly one of offset and dedupId. */
export interface CancelTarget {
  /** Topic id, a UUID in its canonical text form, as metadata gives it. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** Name of the queue group; empty for the group that a queue has by itself. */
  group: string
  /** Offset of the record, or -1 where it is named otherwise. */
  offset: number
  /** Dedup id with which the record was sent, 1 to 128 bytes of UTF-8, or null where it is named otherwise. */
  dedupId: string | null
}

/** Cancels records: they are not handed out any more. */
export interface CancelRecordsRequest {
  /** How long the broker may work on the request before it answers REQUEST_TIMED_OUT, in milliseconds. */
  timeoutMs: number
  /** At least one, at most maxItemsPerRequest of the hello response. */
  targets: CancelTarget[]
}

/** What became of a cancel or a reschedule. ok: done; requested: leased: its holder is told by its next heartbeat, and the record ends with its lease; leased: a record in work cannot be rescheduled; alreadyTerminal: it was done with before; unknown: no such record or dedup id; busy: cannot be told or stored now: try again. */
export type ChangeAnswer = 'ok' | 'requested' | 'leased' | 'alreadyTerminal' | 'unknown' | 'busy'

/** What became of one target. */
export interface CancelResult {
  /** Error number of this item from errors.json; 0 means it succeeded. */
  error: number
  /** What went wrong and what to do next; empty where error is 0. */
  message: string
  /** What became of the cancel; unknown where error is not 0. */
  answer: ChangeAnswer
  /** Offset of the record; -1 where there is none. */
  offset: number
}

/** One result per target, in the order of the request, once it is durable. */
export interface CancelRecordsResponse {
  /** Results. */
  results: CancelResult[]
}

/** Stops a redrive. What it has moved stays moved. */
export interface CancelRedriveRequest {
  /** Its id. */
  redriveId: string
}

/** running: at work; done: everything that lay there at the start was looked at, or the limit is reached; cancelled: stopped by cancelRedrive; failed: stopped for the reason that the message gives. */
export type RedriveState = 'running' | 'done' | 'cancelled' | 'failed'

/** The job stands still. */
export interface CancelRedriveResponse {
  /** How it stands now: cancelled, or done or failed where it had ended before. */
  state: RedriveState
  /** Records stored in the target. */
  moved: number
}

/** What to do. */
export type PlacementAction = 'rebalance' | 'leaders' | 'drain' | 'undrain' | 'cancel'

/** Changes which brokers hold what, or tells what would be changed. */
export interface ChangePlacementRequest {
  /** rebalance: even out replicas and leaders; leaders: leaders only; drain: empty a broker, which takes no new replicas from now on; undrain: let it take replicas again; cancel: call off all moves that are not done. */
  action: PlacementAction
  /** The broker to drain or undrain; -1 for other actions. */
  brokerId: number
  /** Tell what would be done and do nothing. */
  dryRun: boolean
}

/** One partition that is to be held by other brokers. */
export interface PlannedMove {
  /** Topic name. */
  topic: string
  /** Partition number. */
  partition: number
  /** Brokers that hold it now, the leader first. */
  from: number[]
  /** Brokers that are to hold it; the first is to lead. */
  to: number[]
}

/** What is going to be moved. The moves go on by themselves; describeCluster shows how far they are. */
export interface ChangePlacementResponse {
  /** Error number from errors.json; 0 means it succeeded. */
  error: number
  /** What went wrong and what to do next; empty where error is 0. */
  message: string
  /** Moves, by topic and partition. */
  moves: PlannedMove[]
  /** Replicas to be copied. */
  copies: number
  /** The fewest copies that any plan to the same end needs. */
  copiesLeast: number
  /** Partitions whose leader changes and nothing else. */
  leaderChanges: number
}

/** Ends a session at this broker. Its leases go back to the queue at once and do not count as failures; leases of the mode `visibility` stay. */
export interface CloseSessionRequest {
  /** Session id, opened on this connection. */
  sessionId: number
}

/** The session is closed at this broker. */
export type CloseSessionResponse = Record<never, never>

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

/** pause: hand out nothing until resumed; settling goes on. resume: hand out again. purge: every record committed so far becomes terminal, leased ones included. resumeKey: a key that is held or quarantined goes on, with the record it is stopped at. skipKey: the same, without that record, which is cancelled. */
export type QueueAction = 'pause' | 'resume' | 'purge' | 'resumeKey' | 'skipKey'

/** One partition and group. */
export interface ControlPartition {
  /** Topic id, a UUID in its canonical text form, as metadata gives it. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** Name of the queue group; empty for the group that a queue has by itself. */
  group: string
}

/** Pauses, resumes or purges queue groups, or lets a stopped key go on. */
export interface ControlQueueRequest {
  /** How long the broker may work on the request before it answers REQUEST_TIMED_OUT, in milliseconds. */
  timeoutMs: number
  /** What to do. */
  action: QueueAction
  /** resumeKey, skipKey: lane of the key (see Lanes in PROTOCOL.md); otherwise -1. */
  lane: number
  /** At least one, at most maxItemsPerRequest of the hello response. */
  partitions: ControlPartition[]
}

/** What became of one partition and group. */
export interface ControlResult {
  /** Partition number, from 0. */
  partition: number
  /** Error number of this item from errors.json; 0 means it succeeded. */
  error: number
  /** What went wrong and what to do next; empty where error is 0. */
  message: string
  /** False where it was so already, or where the key is not stopped there. */
  changed: boolean
  /** purge: records that it ended; otherwise 0. */
  records: number
}

/** One result per partition and group, in the order of the request, once it is durable. */
export interface ControlQueueResponse {
  /** Results. */
  results: ControlResult[]
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

/** Asks for the state of the cluster, as this broker knows it. */
export type DescribeClusterRequest = Record<never, never>

/** Whether it is there. */
export type BrokerState = 'online' | 'impaired' | 'suspected' | 'gone'

/** One broker. */
export interface BrokerDescription {
  /** Broker id. */
  brokerId: number
  /** Where clients and other brokers reach it; empty where it is gone. */
  host: string
  /** Port; 0 where it is gone. */
  port: number
  /** Label of its rack or zone; null where it has none. */
  rack: string | null
  /** Its share of replicas, in proportion to that of the others; 100 is usual. */
  capacity: number
  /** Version of its program; empty where it is gone. */
  version: string
  /** When it was started, in milliseconds since 1970-01-01 UTC; -1 where it is gone. */
  startedAt: number
  /** online; impaired: its disk is full, slow or has failed, so that it leads only where nobody else can; suspected: registered, and others cannot reach it; gone: it holds replicas and is not registered. */
  state: BrokerState
  /** True where it takes no new replicas. */
  draining: boolean
  /** Replicas that it holds. */
  replicas: number
  /** Partitions that it leads. */
  leaders: number
  /** Replicas that it is receiving. */
  learners: number
  /** Its share of the hash ring that places new replicas: 0 to 1000. */
  ringSharePermille: number
}

/** How far it is. */
export type MoveState = 'waiting' | 'copying'

/** One partition that is to be held by other brokers. */
export interface MoveDescription {
  /** Topic name. */
  topic: string
  /** Partition number. */
  partition: number
  /** Brokers that hold it now, the leader first. */
  from: number[]
  /** Brokers that are to hold it; the first is to lead. */
  to: number[]
  /** waiting: its turn has not come, or a broker is away; copying: new replicas receive what there is. */
  state: MoveState
}

/** What holds it up, the worst first. */
export type TroubleState = 'overtaken' | 'blocked' | 'recovering' | 'leaderless' | 'repairing'

/** One partition that does not come back, or that has a replica which cannot be counted on. */
export interface PartitionTrouble {
  /** Topic name. */
  topic: string
  /** Partition number. */
  partition: number
  /** overtaken: brokers have promised a newer epoch than the control store knows, which was put back to an older state; blocked: a member has acknowledged more than anybody has now; recovering: its leader waits for other members; leaderless: the broker that is to lead it is not there; repairing: it works, and a replica that may have lost something is being filled. */
  state: TroubleState
  /** Leader epoch in the control store. */
  epoch: number
  /** Id of the broker that leads it, or is to. */
  leader: number
  /** Ids of the brokers without which it does not go on, as far as they are known; where it is overtaken, those that know of newer epochs. */
  waitsFor: number[]
  /** Ids of the brokers whose replica may have lost something that was acknowledged. */
  untrusted: number[]
}

/** A forced recovery: records that were acknowledged may be lost. */
export interface RecordedLoss {
  /** Topic name. */
  topic: string
  /** Partition number. */
  partition: number
  /** Leader epoch in which the partition went on. */
  epoch: number
  /** When it was forced, in milliseconds since 1970-01-01 UTC. */
  at: number
  /** What was acknowledged from this offset on, in earlier epochs, is lost; -1 while its leader has not begun. */
  fromOffset: number
  /** Ids of the brokers whose replicas were given up. */
  givenUp: number[]
}

/** The cluster. */
export interface DescribeClusterResponse {
  /** Id of the cluster, a UUID. */
  clusterId: string
  /** Id of the broker that decides for the cluster; -1 while there is none. */
  controllerId: number
  /** Brokers by id. */
  brokers: BrokerDescription[]
  /** Topics. */
  topics: number
  /** Partitions. */
  partitions: number
  /** Partitions that nobody leads now. */
  leaderless: number
  /** Partitions with fewer replicas on brokers that are there than they are to have, or whose change of replicas has not ended. */
  underReplicated: number
  /** Moves that are not done, by topic and partition. */
  moves: MoveDescription[]
  /** What is not as it should be, by topic and partition. */
  troubles: PartitionTrouble[]
  /** Forced recoveries of the topics that there are, by topic, partition and epoch; the last eight of each partition. */
  losses: RecordedLoss[]
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

/** Asks how far redrives have come. */
export interface DescribeRedrivesRequest {
  /** Ids; empty for all that the cluster remembers. */
  redriveIds: string[]
}

/** Why an attempt failed, or why a record was given up. exhausted: too many attempts; quarantine: its key was given up before it; ttl: its time to live was over. */
export type QueueFailureReason = 'none' | 'nack' | 'timeout' | 'disconnect' | 'reject' | 'exhausted' | 'quarantine' | 'ttl'

/** One job. */
export interface RedriveDescription {
  /** Error number of this item from errors.json; 0 means it succeeded. */
  error: number
  /** What went wrong and what to do next; where error is 0: why the job failed, or what it waits for while it runs; else empty. */
  message: string
  /** Its id. */
  redriveId: string
  /** How it stands. */
  state: RedriveState
  /** When it was started, in milliseconds since 1970-01-01 UTC. */
  startedAt: number
  /** When it ended, in milliseconds since 1970-01-01 UTC; -1 while it runs. */
  endedAt: number
  /** Client name and address of whoever started it. */
  startedBy: string
  /** Dead letters looked at. */
  examined: number
  /** Dead letters that the filter lets through. */
  matched: number
  /** Records stored in the target; 0 with dryRun. */
  moved: number
  /** Topic id of the dead-letter queue. */
  sourceTopicId: string
  /** Its partitions; empty for all. */
  partitions: number[]
  /** Topic id of where the records go; empty for where each came from. */
  targetTopicId: string
  /** Only records of this lane, the lane of their key; -1 for all. */
  lane: number
  /** Only records that were given up for one of these; empty for all. */
  reasons: QueueFailureReason[]
  /** Only records that died at this time or later, in milliseconds since 1970-01-01 UTC; -1 for all. */
  fromTimestamp: number
  /** Only records that died before this time, in milliseconds since 1970-01-01 UTC; -1 for all. */
  toTimestamp: number
  /** Only records with a header of this name; null for all. */
  headerName: string | null
  /** Only records in which that header has this value, as UTF-8; null for any. */
  headerValue: string | null
  /** Most records to move; 0 for no bound. */
  limit: number
  /** Most records to move a second; 0 for no bound. */
  recordsPerSecond: number
  /** Only count what matches. */
  dryRun: boolean
}

/** The jobs, the latest first; or one per id, in the order of the request. */
export interface DescribeRedrivesResponse {
  /** Jobs. */
  redrives: RedriveDescription[]
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

/** A record, by exactly one of offset, lane and dedupId. */
export interface ExplainTarget {
  /** Topic id, a UUID in its canonical text form, as metadata gives it. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** Name of the queue group; empty for the group that a queue has by itself. */
  group: string
  /** Offset of the record, or -1 where it is named otherwise. */
  offset: number
  /** Lane of a key (see Lanes in PROTOCOL.md): the first record of it that is not terminal; or -1 where the record is named otherwise. */
  lane: number
  /** Dedup id with which the record was sent, 1 to 128 bytes of UTF-8, or null where it is named otherwise. */
  dedupId: string | null
}

/** Asks why records are not delivered. */
export interface ExplainRecordsRequest {
  /** At least one, at most maxItemsPerRequest of the hello response. */
  targets: ExplainTarget[]
}

/** Where a record stands in a queue group. unknown: no such record, or not to be told now: ask again; aboveHighWatermark: not committed yet; fresh: not handed out yet; ready: to be handed out again; leased: in the hands of a session; delayed: not before a time; blocked: behind an earlier record of its key; rateLimited: its key has had its share for now; held: its key is stopped by a record that was given up; quarantined: its key was given up, it will follow to the dead letters; deadLetterPending: given up, its dead letter is not committed yet; terminal: done with. */
export type QueueRecordState = 'unknown' | 'aboveHighWatermark' | 'fresh' | 'ready' | 'leased' | 'delayed' | 'blocked' | 'rateLimited' | 'held' | 'quarantined' | 'deadLetterPending' | 'terminal'

/** Why a record is terminal. acknowledged: settled as ack; cancelled: by cancelRecords or skipKey; expired: its time to live was over, or retention deleted it; dead: given up, with a dead letter; archived: given up where there is no dead-letter queue; purged: with its queue; duplicate: its dedup id was taken when it was sent; damaged: its bytes were damaged on disk when its turn came. unknown where it is not terminal, or where that is forgotten: the leader remembers its last 10,000 endings that are not acknowledgements, from when it began to lead. */
export type QueueEndCause = 'unknown' | 'acknowledged' | 'cancelled' | 'expired' | 'dead' | 'archived' | 'purged' | 'duplicate' | 'damaged'

/** Where a dead letter lies. */
export interface DeadLetterPlace {
  /** Topic id of the dead-letter queue. */
  topicId: string
  /** Its partition. */
  partition: number
  /** Its offset. */
  offset: number
}

/** Where one record stands, and why. */
export interface RecordExplanation {
  /** Error number of this item from errors.json; 0 means it succeeded. */
  error: number
  /** What went wrong and what to do next; where error is 0: why a dead letter that is being written has not been stored yet, else empty. */
  message: string
  /** Offset of the record; -1 where there is none. */
  offset: number
  /** Where it stands. */
  state: QueueRecordState
  /** terminal: why. */
  cause: QueueEndCause
  /** Failed attempts so far; of a terminal record only where it was given up, otherwise 0. */
  failures: number
  /** Failed attempts after which the queue gives a record up. */
  maxAttempts: number
  /** How often it has been handed out; of a terminal record only where it was given up, otherwise 0. */
  deliveries: number
  /** leased: until the lease ends; delayed: until it is due; rateLimited: until its key has its turn; in milliseconds. -1 where no time runs. */
  timeLeftMs: number
  /** leased: the session that holds it; otherwise 0. */
  sessionId: number
  /** leased: name of the consumer; empty where the broker has not heard of it since it began to lead. */
  clientName: string
  /** leased: address of the connection; empty where it has none now. */
  clientAddress: string
  /** leased: somebody has cancelled it. */
  cancelRequested: boolean
  /** Lane of its key where the queue has lanes, or -1. */
  lane: number
  /** blocked: the record of its key that is handed out before; held, quarantined: the record at which its key is stopped; otherwise -1. */
  behindOffset: number
  /** fresh: offsets before it that were not examined yet; otherwise -1. */
  recordsBefore: number
  /** The queue group is paused. */
  paused: boolean
  /** As many records are leased as `max.in.flight` allows. */
  atMaxInFlight: boolean
  /** deadLetterPending, or terminal of cause dead or archived: why it was given up. */
  reason: QueueFailureReason
  /** The words of the consumer that go with the reason; after too many attempts those of the last one. */
  reasonText: string
  /** The dead letter, where the record has one and the broker remembers it; otherwise null. */
  deadLetter: DeadLetterPlace | null
  /** Its bytes are damaged on disk, as far as the broker has noticed: it is not handed out any more. If that has happened before its first turn it is passed over; otherwise its attempts fail until it is given up. */
  damaged: boolean
}

/** One explanation per target, in the order of the request. */
export interface ExplainRecordsResponse {
  /** Explanations. */
  results: RecordExplanation[]
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

/** A broker that runs a redrive asks the leader of a target what of the job is there, and where it ends. Nothing at or above the offset looked from is removed for a while. */
export interface FindRedrivenRequest {
  /** Id of the job, a UUID. */
  redriveId: string
  /** Which of the brokers that have run the job asks: each that takes it up has a higher term. */
  term: number
  /** Number of this request; each of a term has a higher one than those before. One that comes after a later one, or after one of a higher term, is refused. */
  ask: number
  /** Topic id of the target, a UUID in its canonical text form. */
  topicId: string
  /** Partition of the target, from 0. */
  partition: number
  /** Look for records of the job at this offset or above; -1 to look for none. */
  fromOffset: number
}

/** All that is told is committed. */
export interface FindRedrivenResponse {
  /** Leader epoch of the partition: what is appended next names it. */
  leaderEpoch: number
  /** The high watermark when the request came: what is appended next lies at it or above. */
  endOffset: number
  /** Sequences of the records of the job that were found. */
  sequences: number[]
}

/** Lets a partition go on without a majority of its replicas, which is gone for ever. Records that were acknowledged may be lost. */
export interface ForceRecoverRequest {
  /** Topic name. */
  topic: string
  /** Partition number. */
  partition: number
  /** Ids of the brokers whose replicas go on, and nobody else. */
  survivors: number[]
  /** Tell what would be done and do nothing. */
  dryRun: boolean
}

/** What was done. */
export interface ForceRecoverResponse {
  /** Error number from errors.json; 0 means it succeeded. */
  error: number
  /** What went wrong and what to do next; empty where error is 0. */
  message: string
  /** Leader epoch in which the partition goes on; -1 with an error. */
  epoch: number
  /** Id of the broker that leads it then; -1 with an error. */
  leader: number
  /** Ids of the brokers whose replicas do not count any more. */
  givenUp: number[]
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

/** Keeps a session alive and renews its leases at this broker. */
export interface HeartbeatSessionRequest {
  /** Session id, opened on this connection. */
  sessionId: number
}

/** cancelRequested: somebody has cancelled the record; stop work and settle it as you like, it ends either way. lost: the lease is over; stop work, others may have the record. sessionLost: the group no longer knows the session; all its leases in this partition and group are over. */
export type LeaseNoticeKind = 'cancelRequested' | 'lost' | 'sessionLost'

/** News of leases of the session. */
export interface LeaseNotice {
  /** Topic id, a UUID in its canonical text form, as metadata gives it. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** Name of the queue group; empty for the group that a queue has by itself. */
  group: string
  /** What has happened. A notice may come more than once. */
  kind: LeaseNoticeKind
  /** Offset of the record; -1 with sessionLost. */
  offset: number
  /** Lease epoch of the handle; -1 with sessionLost. */
  leaseEpoch: number
  /** Lease sequence of the handle; -1 with sessionLost. */
  leaseSequence: number
}

/** What has become of leases at this broker that the session did not settle. */
export interface HeartbeatSessionResponse {
  /** Send the next heartbeat within this time, in milliseconds: a third of the shortest `session.timeout.ms` among the queues in which the session has leases. Negative where none is needed. */
  heartbeatMs: number
  /** News, at most maxItemsPerRequest of the hello response; what is left over comes with the next heartbeat. */
  notices: LeaseNotice[]
  /** True where news was left over: send the next heartbeat at once. */
  more: boolean
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
  /** Batches that a partition remembers of each idempotent producer, 1 or more: the most that should be unanswered. */
  rememberedBatches: number
  /** Most records that one receive may ask for. */
  maxRecordsPerReceive: number
  /** Most records that one settle may settle. */
  maxRecordsPerSettle: number
  /** Most items of the list of a receive, cancelRecords, rescheduleRecords, explainRecords, queueStats or controlQueue, most records of a peekRecords and most notices of a heartbeatSession. */
  maxItemsPerRequest: number
  /** Clock of the broker, in milliseconds since 1970-01-01 UTC: what delays and times to live of records count from. */
  timeMs: number
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
  /** Generation of the last answer that the member acted on, which `owned` is of; -1 for a new member. Where two members claim a partition after a restart of the broker, the newer generation has it. */
  generation: number
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
  /** Clock of the broker, in milliseconds since 1970-01-01 UTC: what delays and times to live of records count from. */
  timeMs: number
  /** Live brokers. */
  brokers: BrokerAddress[]
  /** In the order asked, or by name where all were asked for. */
  topics: TopicMetadata[]
}

/** Says which brokers are to hold a partition, or tells whether they could. */
export interface MoveReplicasRequest {
  /** Topic name. */
  topic: string
  /** Partition number. */
  partition: number
  /** Ids of the brokers that are to hold it, as many as the topic has replicas; the first is to lead. */
  replicas: number[]
  /** Tell what would be done and do nothing. */
  dryRun: boolean
}

/** What is going to be moved. The move goes on by itself; describeCluster shows how far it is. */
export interface MoveReplicasResponse {
  /** Error number from errors.json; 0 means it succeeded. */
  error: number
  /** What went wrong and what to do next; empty where error is 0. */
  message: string
  /** Brokers that hold it now, the leader first; empty with an error. */
  from: number[]
  /** Brokers that are to hold it; empty with an error. */
  to: number[]
}

/** How long leases last. visibility: for the visibility time of the queue from the grant on, whatever becomes of session and connection; only extend prolongs them. session: the same, and heartbeats renew them; they end with the session. started: as session, but the time of a record counts only once it is settled as `start`. */
export type LeaseMode = 'visibility' | 'session' | 'started'

/** Begins a session, or takes one up again on this connection, with its leases. Open it on the connection of every broker that leads partitions which the session receives from. */
export interface OpenSessionRequest {
  /** Id of a session that is taken up again, or 0 to begin one. */
  sessionId: number
  /** Token of the session, as the response that began it gave it; empty to begin one. Any broker of the cluster can check it. */
  token: string
  /** Name of the consumer, for explainRecords; empty for the name of the hello. */
  clientName: string
  /** How long the leases of this session last. It cannot be changed when a session is taken up again: INVALID_REQUEST. */
  leases: LeaseMode
}

/** The session is open on this connection. */
export interface OpenSessionResponse {
  /** Session id, hard to guess. */
  sessionId: number
  /** Proof that the session is the client's: keep it to take the session up again. It holds as long as the cluster keeps its secret. */
  token: string
  /** Send the next heartbeat within this time, in milliseconds: a third of the shortest `session.timeout.ms` among the queues in which the session has leases. Negative where none is needed. */
  heartbeatMs: number
}

/** Looks at records and their state without leasing them. */
export interface PeekRecordsRequest {
  /** Topic id, a UUID in its canonical text form, as metadata gives it. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** Name of the queue group; empty for the group that a queue has by itself. */
  group: string
  /** Where to begin; -1 for the floor of the group. */
  fromOffset: number
  /** Most records to show: 1 to maxItemsPerRequest of the hello response. */
  maxRecords: number
  /** Most bytes of batches to send. The first batch is sent whole even if it is larger. */
  maxBytes: number
  /** States to show; empty for all but terminal. */
  states: QueueRecordState[]
}

/** Where one record stands. */
export interface PeekedRecord {
  /** Its offset. Offsets rise. */
  offset: number
  /** Where it stands. */
  state: QueueRecordState
  /** Failed attempts so far. */
  failures: number
  /** How often it has been handed out. */
  deliveries: number
  /** As in explainRecords. */
  timeLeftMs: number
  /** leased: the session that holds it; otherwise 0. */
  sessionId: number
  /** Its bytes are damaged on disk: the payload does not hold it. */
  damaged: boolean
}

/** Records that are there, with the batches that hold them in the payload. */
export interface PeekRecordsResponse {
  /** The records. */
  records: PeekedRecord[]
  /** Where to go on; -1 where the high watermark was reached. It may be set although records is empty: only so many records are looked at for one answer. */
  nextOffset: number
  /** Size of the batches in the payload, in bytes. They rise by offset and hold every record above that is not damaged once; skip other records. */
  size: number
}

/** A broker says who it is to another broker of its cluster, after hello. Over this connection it then sends what its replicas say to those of the other; what those say comes over a connection that the other makes. */
export interface PeerHelloRequest {
  /** Cluster of the sender. */
  clusterId: string
  /** Broker id of the sender. */
  brokerId: number
  /** Made when the sender's process started: what an earlier process of the same broker has sent is void. */
  incarnation: string
  /** Broker id of the one that the sender means to reach. */
  targetId: number
}

/** Who was reached. */
export interface PeerHelloResponse {
  /** Broker id. */
  brokerId: number
  /** Made when its process started. */
  incarnation: string
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

/** A record of the batch whose dedup id was taken: it is never delivered. */
export interface DuplicateRecord {
  /** Its place in the batch, from 0. */
  index: number
  /** Offset of the record that has the dedup id, in the same partition. */
  offset: number
  /** Where that record stands in the group of the queue. */
  state: QueueRecordState
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
  /** Records of the batch that are duplicates by their dedup id. Empty on a topic that is no queue. */
  duplicateRecords: DuplicateRecord[]
}

/** One result per batch, in the order of the request. */
export interface ProduceResponse {
  /** How long the client was or should be held back by a quota, in milliseconds; 0 for not at all. */
  throttleMs: number
  /** Results. */
  results: ProduceResult[]
}

/** One partition and group. */
export interface QueueStatsPartition {
  /** Topic id, a UUID in its canonical text form, as metadata gives it. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** Name of the queue group; empty for the group that a queue has by itself. */
  group: string
}

/** Asks for the figures of queue groups. */
export interface QueueStatsRequest {
  /** At least one, at most maxItemsPerRequest of the hello response. */
  partitions: QueueStatsPartition[]
}

/** A key that is stopped. */
export interface StoppedLane {
  /** Its lane, for controlQueue. */
  lane: number
  /** held or quarantined. */
  state: QueueRecordState
  /** Record at which it is stopped. */
  offset: number
}

/** Figures of one partition and group. */
export interface QueueStats {
  /** Topic id, a UUID in its canonical text form, as metadata gives it. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** Name of the queue group; empty for the group that a queue has by itself. */
  group: string
  /** Error number of this item from errors.json; 0 means it succeeded. */
  error: number
  /** What went wrong and what to do next; empty where error is 0. */
  message: string
  /** Everything below this offset is terminal. */
  floor: number
  /** First offset that the group has not examined. */
  nextOffset: number
  /** Offset after the last committed record. */
  highWatermark: number
  /** Records that wait to be handed out again. */
  ready: number
  /** Records in flight: in the hands of sessions. */
  leased: number
  /** Records that wait for a time: delayed by their sender, by a nack or by the back-off. */
  delayed: number
  /** Examined records that wait behind an earlier one of their key. */
  blocked: number
  /** Records that were given up and whose dead letter is not committed yet. */
  deadLetterPending: number
  /** Offsets from nextOffset to highWatermark: an upper bound of the records there. */
  fresh: number
  /** Records acknowledged since the group began, by the books of this partition; so with the seven below. */
  acknowledged: number
  /** Records cancelled. */
  cancelled: number
  /** Records whose time to live was over, or that retention deleted. */
  expired: number
  /** Records given up, with a committed dead letter. */
  dead: number
  /** Records given up where there is no dead-letter queue. */
  archived: number
  /** Records purged. */
  purged: number
  /** Records that were never handed out, since their dedup id was taken when they were sent. */
  duplicates: number
  /** Offsets that were passed over since their bytes were damaged on disk when their turn came: an upper bound of the records there. */
  damaged: number
  /** Age of the oldest fresh record by its timestamp, in milliseconds; -1 where there is none or it is unknown. */
  oldestFreshAgeMs: number
  /** Age of the oldest ready record by its timestamp, in milliseconds; -1 where there is none or it is unknown. */
  oldestReadyAgeMs: number
  /** Age of the oldest leased record by its timestamp, in milliseconds; -1 where there is none or it is unknown. */
  oldestLeasedAgeMs: number
  /** Age of the oldest delayed record by its timestamp, in milliseconds; -1 where there is none or it is unknown. */
  oldestDelayedAgeMs: number
  /** Age of the oldest blocked record by its timestamp, in milliseconds; -1 where there is none or it is unknown. */
  oldestBlockedAgeMs: number
  /** Age of the oldest record that was given up and whose dead letter is not committed yet, by its timestamp, in milliseconds; -1 where there is none or it is unknown. */
  oldestDeadLetterPendingAgeMs: number
  /** Lowest offset that is examined and not terminal; -1 where there is none. */
  oldestOutstandingOffset: number
  /** Lanes with records that are examined and not terminal. */
  busyLanes: number
  /** Lanes that are held or quarantined. */
  stoppedLanes: number
  /** The first of the stopped lanes, by offset; at most 100. */
  stopped: StoppedLane[]
  /** Sessions known to the group. */
  sessions: number
  /** The group hands out nothing until it is resumed. */
  paused: boolean
}

/** Figures of each partition and group, in the order of the request. For those of a whole queue add the counts and take the highest ages. */
export interface QueueStatsResponse {
  /** Figures. */
  partitions: QueueStats[]
}

/** One partition and group to receive from. */
export interface ReceivePartition {
  /** Topic id, a UUID in its canonical text form, as metadata gives it. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** Name of the queue group; empty for the group that a queue has by itself. */
  group: string
}

/** Leases records from queue groups; waits for some where there are none. Send it with the UNORDERED flag so that it holds up nothing else. */
export interface ReceiveRequest {
  /** Session id, opened on this connection. */
  sessionId: number
  /** Most records to lease in all: 1 to maxRecordsPerReceive of the hello response. */
  maxRecords: number
  /** Most bytes of records to lease in all; one record is given whatever its size. Batches in the payload may hold more. */
  maxBytes: number
  /** How long to wait for a record, in milliseconds; 0 to answer at once. */
  maxWaitMs: number
  /** Where to receive from, at most maxItemsPerRequest of the hello response, served in turns: the broker begins where the last receive of the session left off. */
  partitions: ReceivePartition[]
}

/** Leases of records that follow each other. Handle of record i, counted from 0: (offset + i, leaseEpoch, leaseSequence + i). */
export interface LeaseRun {
  /** Offset of the first record. */
  offset: number
  /** Number of records, at least 1. */
  count: number
  /** Lease sequence of the first record. */
  leaseSequence: number
  /** How often each of them has been handed out, this time included; it stays at 65535. */
  deliveries: number
}

/** What was leased from one partition and group. */
export interface ReceivedPartition {
  /** Topic id, a UUID in its canonical text form, as metadata gives it. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** Name of the queue group; empty for the group that a queue has by itself. */
  group: string
  /** Error number of this item from errors.json; 0 means it succeeded. */
  error: number
  /** What went wrong and what to do next; empty where error is 0. */
  message: string
  /** Id of the broker that leads the partition; -1 where there is none or it is unknown. */
  leader: number
  /** Leader epoch of the partition; -1 where unknown. */
  leaderEpoch: number
  /** Lease epoch of all handles of this item; -1 where there are none. */
  leaseEpoch: number
  /** How long each lease lasts unless it is renewed or extended, in milliseconds. */
  visibilityMs: number
  /** How long the leases outlive the connection of the session, in milliseconds. */
  disconnectGraceMs: number
  /** The leases, in the order in which the records are to be handled. Offsets need not rise. */
  leases: LeaseRun[]
  /** Size of the item's batches in the payload, in bytes. They rise by offset and hold every leased record once; skip other records. */
  size: number
}

/** Leases, with the batches that hold the records in the payload: those of each item one behind the other, without gaps. */
export interface ReceiveResponse {
  /** Send the next heartbeat within this time, in milliseconds: a third of the shortest `session.timeout.ms` among the queues in which the session has leases. Negative where none is needed. */
  heartbeatMs: number
  /** Partitions that have leases or an error; all others are left out. */
  partitions: ReceivedPartition[]
}

/** A candidate asks for a promise: nothing of a lower epoch is answered after it. */
export interface ReplicaNewEpoch {
  /** Topic id, a UUID in its canonical text form. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** Leader epoch that the message belongs to. */
  epoch: number
  /** Store of the member that receives it: another store of the same broker ignores the message. */
  storeId: string
}

/** Where an epoch begins in a log. */
export interface ReplicaEpoch {
  /** Leader epoch. */
  epoch: number
  /** Its first offset. */
  startOffset: number
}

/** What a member has of one log. */
export interface LogClaim {
  /** First offset that the log holds. */
  startOffset: number
  /** Offset after the last record. */
  endOffset: number
  /** Leader epoch of the last batch; 0 in an empty log. */
  lastEpoch: number
  /** `crc` of the last batch; 0 in an empty log. */
  lastCrc: number
  /** Every epoch that the log has batches of, ascending. */
  epochs: ReplicaEpoch[]
  /** First offset that cannot be read; -1 where all can. */
  damagedFrom: number
  /** Last epoch of what the member had acknowledged before it lost some of it; -1 where it has all. */
  owedEpoch: number
  /** End offset of that; -1 where it has all. */
  owedOffset: number
}

/** The promise, durable by now, and what the member has. */
export interface ReplicaPromise {
  /** Topic id, a UUID in its canonical text form. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** Leader epoch that the message belongs to. */
  epoch: number
  /** Store of the member that sends it. */
  storeId: string
  /** False where the member may have lost what it acknowledged. */
  trusted: boolean
  /** One for each log: data, state. */
  logs: LogClaim[]
}

/** The epoch of what was received is below what was promised. */
export interface ReplicaFence {
  /** Topic id, a UUID in its canonical text form. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** Epoch that was promised. */
  epoch: number
}

/** A candidate asks for batches that it lacks. */
export interface ReplicaPull {
  /** Topic id, a UUID in its canonical text form. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** Leader epoch that the message belongs to. */
  epoch: number
  /** Which log of the partition: 0 data, 1 state. */
  log: number
  /** First offset to send. */
  offset: number
}

/** Batches for a candidate. */
export interface ReplicaPulled {
  /** Topic id, a UUID in its canonical text form. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** Leader epoch that the message belongs to. */
  epoch: number
  /** Which log of the partition: 0 data, 1 state. */
  log: number
  /** `offset` of the pull. */
  offset: number
  /** Bytes of batches in the payload; -1 where they cannot be read. */
  size: number
}

/** The sender leads the epoch. */
export interface ReplicaBeginEpoch {
  /** Topic id, a UUID in its canonical text form. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** Leader epoch that the message belongs to. */
  epoch: number
  /** Store of the member that receives it: another store of the same broker ignores the message. */
  storeId: string
}

/** How far a follower's log goes. */
export interface ReplicaPosition {
  /** Offset after its last record. */
  offset: number
  /** Leader epoch of its last batch; 0 in an empty log. */
  lastEpoch: number
  /** True where the log holds nothing. */
  empty: boolean
  /** Everything below is durable and known to be the leader's; 0 while the leader has not confirmed that. */
  durableOffset: number
}

/** A follower asks for what comes behind its own end. The leader may hold it until there is something. */
export interface ReplicaFetch {
  /** Topic id, a UUID in its canonical text form. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** Leader epoch that the message belongs to. */
  epoch: number
  /** Store of the member that sends it. */
  storeId: string
  /** Counts the fetches of the follower in the epoch. */
  sequence: number
  /** Highest `probe` of the leader that the follower has seen in the epoch. */
  probe: number
  /** One for each log: data, state. */
  positions: ReplicaPosition[]
}

/** What the answer is. */
export type ReplicaPartKind = 'records' | 'diverge' | 'restart'

/** The answer for one log. */
export interface ReplicaPart {
  /** records: the batches that follow the follower's end; diverge: the leader does not know that end, and at or below `epoch` its log ends at `endOffset`; restart: the log has to begin anew at `startOffset`. */
  kind: ReplicaPartKind
  /** `offset` of the position that this answers. */
  offset: number
  /** `lastEpoch` of the position that this answers. */
  lastEpoch: number
  /** records: everything below is committed; else -1. */
  highWatermark: number
  /** records: first offset of the leader's log; restart: where to begin; else -1. */
  startOffset: number
  /** records: offset after the leader's last record; diverge: see `kind`; else -1. */
  endOffset: number
  /** diverge: see `kind`; else -1. */
  epoch: number
  /** restart: `crc` of the batch before `startOffset`; else 0. */
  prevCrc: number
  /** records: bytes of batches in the payload; else 0. */
  size: number
}

/** The answer to a fetch. */
export interface ReplicaFetched {
  /** Topic id, a UUID in its canonical text form. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** Leader epoch that the message belongs to. */
  epoch: number
  /** That of the fetch. */
  sequence: number
  /** To be said again in the next fetch: tells the leader that it was heard after it asked. */
  probe: number
  /** One for each log: data, state. */
  parts: ReplicaPart[]
}

/** More is durable at a follower. */
export interface ReplicaAck {
  /** Topic id, a UUID in its canonical text form. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** Leader epoch that the message belongs to. */
  epoch: number
  /** Store of the member that sends it. */
  storeId: string
  /** Of each log: everything below is durable and the same as the leader's. */
  durableOffsets: number[]
}

/** What the replicas of partitions on one broker say to those on another. It is not answered, and any of it may be lost. The batches of `pulled` and then those of `fetched` follow in the payload, in this order, without gaps. */
export interface ReplicateRequest {
  /** From candidates. */
  newEpochs: ReplicaNewEpoch[]
  /** Answers to newEpochs. */
  promises: ReplicaPromise[]
  /** Answers to anything of an epoch that is over. */
  fences: ReplicaFence[]
  /** From candidates. */
  pulls: ReplicaPull[]
  /** Answers to pulls. */
  pulled: ReplicaPulled[]
  /** From leaders, again and again. */
  beginEpochs: ReplicaBeginEpoch[]
  /** From followers. */
  fetches: ReplicaFetch[]
  /** Answers to fetches. */
  fetched: ReplicaFetched[]
  /** From followers. */
  acks: ReplicaAck[]
}

/** A record, by exactly one of offset and dedupId, and a time, by exactly one of delayMs and notBefore. */
export interface RescheduleTarget {
  /** Topic id, a UUID in its canonical text form, as metadata gives it. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** Name of the queue group; empty for the group that a queue has by itself. */
  group: string
  /** Offset of the record, or -1 where it is named otherwise. */
  offset: number
  /** Dedup id with which the record was sent, 1 to 128 bytes of UTF-8, or null where it is named otherwise. */
  dedupId: string | null
  /** Time from now on until the record is handed out, by the clock of the broker: 0 to 31,536,000,000 (365 days), in milliseconds; or -1. */
  delayMs: number
  /** Time before which the record is not handed out, in milliseconds since 1970-01-01 UTC, at most 365 days from now; or -1. */
  notBefore: number
}

/** Puts records off, or brings them forward. */
export interface RescheduleRecordsRequest {
  /** How long the broker may work on the request before it answers REQUEST_TIMED_OUT, in milliseconds. */
  timeoutMs: number
  /** At least one, at most maxItemsPerRequest of the hello response. */
  targets: RescheduleTarget[]
}

/** What became of one target. */
export interface RescheduleResult {
  /** Error number of this item from errors.json; 0 means it succeeded. */
  error: number
  /** What went wrong and what to do next; empty where error is 0. */
  message: string
  /** What became of the reschedule; unknown where error is not 0. */
  answer: ChangeAnswer
  /** Offset of the record; -1 where there is none. */
  offset: number
  /** Time before which it is not handed out now, in milliseconds since 1970-01-01 UTC; -1 where nothing changed. */
  notBefore: number
}

/** One result per target, in the order of the request, once it is durable. */
export interface RescheduleRecordsResponse {
  /** Results. */
  results: RescheduleResult[]
}

/** ack: done. nack: failed, try again later. release: give back, not counted as a failure. reject: never to succeed, give up at once. extend: needed for longer. start: a handler begins (sessions of the mode `started`). */
export type SettleKind = 'ack' | 'nack' | 'release' | 'reject' | 'extend' | 'start'

/** The same said of the handles (offset + i, leaseEpoch, leaseSequence + i), i from 0 to count - 1. */
export interface SettleItem {
  /** What became of them. */
  kind: SettleKind
  /** Offset of the first record. */
  offset: number
  /** Number of records, at least 1. */
  count: number
  /** Lease epoch of their handles. */
  leaseEpoch: number
  /** Lease sequence of the first record. */
  leaseSequence: number
  /** nack: time until the next attempt, 0 to 31,536,000,000 (365 days). extend: how long the leases shall last from now on, 0 to 86,400,000; never beyond `lease.total.ms` of the queue. -1 for the back-off or the visibility time of the queue, and for other kinds. In milliseconds. */
  delayMs: number
  /** nack, reject: free text that is kept with the attempt, for explainRecords and the dead letter; cut at 256 characters. Otherwise empty. */
  reason: string
}

/** Leases of one partition and group. */
export interface SettlePartition {
  /** Topic id, a UUID in its canonical text form, as metadata gives it. */
  topicId: string
  /** Partition number, from 0. */
  partition: number
  /** Name of the queue group; empty for the group that a queue has by itself. */
  group: string
  /** What became of them, carried out in this order. */
  items: SettleItem[]
}

/** Says what became of leased records. Handles are all it takes: any client that holds one can settle it. */
export interface SettleRequest {
  /** none: do not answer at all; leader: when the leader has it; quorum: when it is durable on a majority of replicas. */
  acks: Acks
  /** How long the broker may work on the request before it answers REQUEST_TIMED_OUT, in milliseconds. */
  timeoutMs: number
  /** At least one; all items together settle at most maxRecordsPerSettle records of the hello response. */
  partitions: SettlePartition[]
}

/** ok: done. lateOk: the lease was over, but nobody else had the record since: accepted. alreadySettled: terminal, or given back before: nothing changed. staleLease: the lease is over and the record is or will be somebody else's: nothing changed. unknown: no such record, or a handle that was never given out. outOfOrder: an earlier record of the same key is not settled yet: settle that first; the lease is kept. busy: cannot be told or stored now: try again. */
export type SettleAnswer = 'ok' | 'lateOk' | 'alreadySettled' | 'staleLease' | 'unknown' | 'outOfOrder' | 'busy'

/** The same answer for records that follow each other in the request. */
export interface SettleAnswerRun {
  /** Number of records. */
  count: number
  /** The answer. */
  answer: SettleAnswer
}

/** What became of the items of one partition and group. */
export interface SettleResult {
  /** Partition number, from 0. */
  partition: number
  /** Error number of this item from errors.json; 0 means it succeeded. */
  error: number
  /** What went wrong and what to do next; empty where error is 0. */
  message: string
  /** One answer per record, in the order of the items and within each by offset, as runs; together as many as the items have records. Empty where error is not 0. */
  answers: SettleAnswerRun[]
}

/** One result per partition and group, in the order of the request. */
export interface SettleResponse {
  /** Results. */
  results: SettleResult[]
}

/** Starts a job that moves dead letters back, in their original order. It goes on over restarts of brokers until it is done or cancelled. */
export interface StartRedriveRequest {
  /** Topic id of the dead-letter queue. */
  sourceTopicId: string
  /** Its partitions; empty for all. */
  partitions: number[]
  /** Topic id of where the records go; empty for where each came from. */
  targetTopicId: string
  /** Only records of this lane, the lane of their key; -1 for all. */
  lane: number
  /** Only records that were given up for one of these; empty for all. */
  reasons: QueueFailureReason[]
  /** Only records that died at this time or later, in milliseconds since 1970-01-01 UTC; -1 for all. */
  fromTimestamp: number
  /** Only records that died before this time, in milliseconds since 1970-01-01 UTC; -1 for all. */
  toTimestamp: number
  /** Only records with a header of this name; null for all. */
  headerName: string | null
  /** Only records in which that header has this value, as UTF-8; null for any. */
  headerValue: string | null
  /** Most records to move; 0 for no bound. */
  limit: number
  /** Most records to move a second; 0 for no bound. */
  recordsPerSecond: number
  /** Only count what matches. */
  dryRun: boolean
}

/** The job is written down. */
export interface StartRedriveResponse {
  /** Id of the job, a UUID. */
  redriveId: string
}

/** A broker that leads a queue asks the leader of a partition of its dead-letter queue to take a letter, once however often it is asked. What was asked for earlier and comes later is refused. The letter, a record batch of one record, follows in the payload; without one the other broker only looks whether it is there. */
export interface StoreDeadLetterRequest {
  /** Topic id of the dead-letter queue, a UUID in its canonical text form. */
  topicId: string
  /** Partition of it, from 0. */
  partition: number
  /** Topic id of the queue in which the record died. */
  sourceTopicId: string
  /** Partition in which it died. */
  sourcePartition: number
  /** Queue group that gave it up; empty for that of the queue itself. */
  group: string
  /** Its offset there. */
  offset: number
  /** Leader epoch of the sender for the source. */
  sourceEpoch: number
  /** Number of this request; each that a leader sends for a source in an epoch has a higher one than those before. */
  ask: number
  /** Leader epoch of the partition that the sender knows, where it asks for this letter for the first time; -1 where it, or a leader before it, may have asked already. Below the epoch of the partition, the letter is looked for in the log before it is appended. */
  firstEpoch: number
  /** When the record died, in milliseconds since 1970-01-01 UTC: the timestamp of its letter. */
  diedAt: number
  /** Offsets of records of the same source whose letters are never asked for again. */
  forget: number[]
}

/** The letter is committed. */
export interface StoreDeadLetterResponse {
  /** Its offset in the dead-letter queue; -1 where it is not there and was only looked for. */
  offset: number
}

/** Message types by api and direction, in their newest version. */
export interface Messages {
  'alterTopics.request': AlterTopicsRequest
  'alterTopics.response': AlterTopicsResponse
  'appendRedriven.request': AppendRedrivenRequest
  'appendRedriven.response': AppendRedrivenResponse
  'cancelRecords.request': CancelRecordsRequest
  'cancelRecords.response': CancelRecordsResponse
  'cancelRedrive.request': CancelRedriveRequest
  'cancelRedrive.response': CancelRedriveResponse
  'changePlacement.request': ChangePlacementRequest
  'changePlacement.response': ChangePlacementResponse
  'closeSession.request': CloseSessionRequest
  'closeSession.response': CloseSessionResponse
  'commitOffsets.request': CommitOffsetsRequest
  'commitOffsets.response': CommitOffsetsResponse
  'controlQueue.request': ControlQueueRequest
  'controlQueue.response': ControlQueueResponse
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
  'describeCluster.request': DescribeClusterRequest
  'describeCluster.response': DescribeClusterResponse
  'describeGroups.request': DescribeGroupsRequest
  'describeGroups.response': DescribeGroupsResponse
  'describeRedrives.request': DescribeRedrivesRequest
  'describeRedrives.response': DescribeRedrivesResponse
  'describeTopics.request': DescribeTopicsRequest
  'describeTopics.response': DescribeTopicsResponse
  'error.response': ErrorResponse
  'explainRecords.request': ExplainRecordsRequest
  'explainRecords.response': ExplainRecordsResponse
  'fetch.request': FetchRequest
  'fetch.response': FetchResponse
  'fetchOffsets.request': FetchOffsetsRequest
  'fetchOffsets.response': FetchOffsetsResponse
  'findRedriven.request': FindRedrivenRequest
  'findRedriven.response': FindRedrivenResponse
  'forceRecover.request': ForceRecoverRequest
  'forceRecover.response': ForceRecoverResponse
  'goAway.notice': GoAwayNotice
  'heartbeatGroup.request': HeartbeatGroupRequest
  'heartbeatGroup.response': HeartbeatGroupResponse
  'heartbeatSession.request': HeartbeatSessionRequest
  'heartbeatSession.response': HeartbeatSessionResponse
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
  'moveReplicas.request': MoveReplicasRequest
  'moveReplicas.response': MoveReplicasResponse
  'openSession.request': OpenSessionRequest
  'openSession.response': OpenSessionResponse
  'peekRecords.request': PeekRecordsRequest
  'peekRecords.response': PeekRecordsResponse
  'peerHello.request': PeerHelloRequest
  'peerHello.response': PeerHelloResponse
  'produce.request': ProduceRequest
  'produce.response': ProduceResponse
  'queueStats.request': QueueStatsRequest
  'queueStats.response': QueueStatsResponse
  'receive.request': ReceiveRequest
  'receive.response': ReceiveResponse
  'replicate.request': ReplicateRequest
  'rescheduleRecords.request': RescheduleRecordsRequest
  'rescheduleRecords.response': RescheduleRecordsResponse
  'settle.request': SettleRequest
  'settle.response': SettleResponse
  'startRedrive.request': StartRedriveRequest
  'startRedrive.response': StartRedriveResponse
  'storeDeadLetter.request': StoreDeadLetterRequest
  'storeDeadLetter.response': StoreDeadLetterResponse
}

/** Schemas by message name, without their docs. */
export const SCHEMAS = {
  'alterTopics.v1.request': {"type":"record","name":"AlterTopicsRequest","namespace":"sluice.v1","fields":[{"name":"timeoutMs","type":"int"},{"name":"validateOnly","type":"boolean"},{"name":"topics","type":{"type":"array","items":{"type":"record","name":"TopicChange","fields":[{"name":"name","type":"string"},{"name":"partitions","type":"int"},{"name":"replicationFactor","type":"int"},{"name":"set","type":{"type":"map","values":"string"}},{"name":"unset","type":{"type":"array","items":"string"}}]}}}]},
  'alterTopics.v1.response': {"type":"record","name":"AlterTopicsResponse","namespace":"sluice.v1","fields":[{"name":"topics","type":{"type":"array","items":{"type":"record","name":"AlteredTopic","fields":[{"name":"name","type":"string"},{"name":"error","type":"int"},{"name":"message","type":"string"},{"name":"moves","type":{"type":"array","items":{"type":"record","name":"AlteredPlacement","fields":[{"name":"partition","type":"int"},{"name":"from","type":{"type":"array","items":"int"}},{"name":"to","type":{"type":"array","items":"int"}}]}}}]}}}]},
  'appendRedriven.v1.request': {"type":"record","name":"AppendRedrivenRequest","namespace":"sluice.v1","fields":[{"name":"redriveId","type":"string"},{"name":"term","type":"int"},{"name":"ask","type":"long"},{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"leaderEpoch","type":"int"}]},
  'appendRedriven.v1.response': {"type":"record","name":"AppendRedrivenResponse","namespace":"sluice.v1","fields":[{"name":"baseOffset","type":"long"}]},
  'cancelRecords.v1.request': {"type":"record","name":"CancelRecordsRequest","namespace":"sluice.v1","fields":[{"name":"timeoutMs","type":"int"},{"name":"targets","type":{"type":"array","items":{"type":"record","name":"CancelTarget","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"group","type":"string"},{"name":"offset","type":"long"},{"name":"dedupId","type":["null","string"]}]}}}]},
  'cancelRecords.v1.response': {"type":"record","name":"CancelRecordsResponse","namespace":"sluice.v1","fields":[{"name":"results","type":{"type":"array","items":{"type":"record","name":"CancelResult","fields":[{"name":"error","type":"int"},{"name":"message","type":"string"},{"name":"answer","type":{"type":"enum","name":"ChangeAnswer","symbols":["ok","requested","leased","alreadyTerminal","unknown","busy"]}},{"name":"offset","type":"long"}]}}}]},
  'cancelRedrive.v1.request': {"type":"record","name":"CancelRedriveRequest","namespace":"sluice.v1","fields":[{"name":"redriveId","type":"string"}]},
  'cancelRedrive.v1.response': {"type":"record","name":"CancelRedriveResponse","namespace":"sluice.v1","fields":[{"name":"state","type":{"type":"enum","name":"RedriveState","symbols":["running","done","cancelled","failed"]}},{"name":"moved","type":"long"}]},
  'changePlacement.v1.request': {"type":"record","name":"ChangePlacementRequest","namespace":"sluice.v1","fields":[{"name":"action","type":{"type":"enum","name":"PlacementAction","symbols":["rebalance","leaders","drain","undrain","cancel"]}},{"name":"brokerId","type":"int"},{"name":"dryRun","type":"boolean"}]},
  'changePlacement.v1.response': {"type":"record","name":"ChangePlacementResponse","namespace":"sluice.v1","fields":[{"name":"error","type":"int"},{"name":"message","type":"string"},{"name":"moves","type":{"type":"array","items":{"type":"record","name":"PlannedMove","fields":[{"name":"topic","type":"string"},{"name":"partition","type":"int"},{"name":"from","type":{"type":"array","items":"int"}},{"name":"to","type":{"type":"array","items":"int"}}]}}},{"name":"copies","type":"int"},{"name":"copiesLeast","type":"int"},{"name":"leaderChanges","type":"int"}]},
  'closeSession.v1.request': {"type":"record","name":"CloseSessionRequest","namespace":"sluice.v1","fields":[{"name":"sessionId","type":"long"}]},
  'closeSession.v1.response': {"type":"record","name":"CloseSessionResponse","namespace":"sluice.v1","fields":[]},
  'commitOffsets.v1.request': {"type":"record","name":"CommitOffsetsRequest","namespace":"sluice.v1","fields":[{"name":"group","type":"string"},{"name":"memberId","type":"string"},{"name":"generation","type":"int"},{"name":"offsets","type":{"type":"array","items":{"type":"record","name":"OffsetToCommit","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"offset","type":"long"},{"name":"leaderEpoch","type":"int"},{"name":"metadata","type":["null","string"]}]}}}]},
  'commitOffsets.v1.response': {"type":"record","name":"CommitOffsetsResponse","namespace":"sluice.v1","fields":[{"name":"results","type":{"type":"array","items":{"type":"record","name":"CommitResult","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"error","type":"int"},{"name":"message","type":"string"}]}}}]},
  'controlQueue.v1.request': {"type":"record","name":"ControlQueueRequest","namespace":"sluice.v1","fields":[{"name":"timeoutMs","type":"int"},{"name":"action","type":{"type":"enum","name":"QueueAction","symbols":["pause","resume","purge","resumeKey","skipKey"]}},{"name":"lane","type":"long"},{"name":"partitions","type":{"type":"array","items":{"type":"record","name":"ControlPartition","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"group","type":"string"}]}}}]},
  'controlQueue.v1.response': {"type":"record","name":"ControlQueueResponse","namespace":"sluice.v1","fields":[{"name":"results","type":{"type":"array","items":{"type":"record","name":"ControlResult","fields":[{"name":"partition","type":"int"},{"name":"error","type":"int"},{"name":"message","type":"string"},{"name":"changed","type":"boolean"},{"name":"records","type":"long"}]}}}]},
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
  'describeCluster.v1.request': {"type":"record","name":"DescribeClusterRequest","namespace":"sluice.v1","fields":[]},
  'describeCluster.v1.response': {"type":"record","name":"DescribeClusterResponse","namespace":"sluice.v1","fields":[{"name":"clusterId","type":"string"},{"name":"controllerId","type":"int"},{"name":"brokers","type":{"type":"array","items":{"type":"record","name":"BrokerDescription","fields":[{"name":"brokerId","type":"int"},{"name":"host","type":"string"},{"name":"port","type":"int"},{"name":"rack","type":["null","string"]},{"name":"capacity","type":"int"},{"name":"version","type":"string"},{"name":"startedAt","type":"long"},{"name":"state","type":{"type":"enum","name":"BrokerState","symbols":["online","impaired","suspected","gone"]}},{"name":"draining","type":"boolean"},{"name":"replicas","type":"int"},{"name":"leaders","type":"int"},{"name":"learners","type":"int"},{"name":"ringSharePermille","type":"int"}]}}},{"name":"topics","type":"int"},{"name":"partitions","type":"int"},{"name":"leaderless","type":"int"},{"name":"underReplicated","type":"int"},{"name":"moves","type":{"type":"array","items":{"type":"record","name":"MoveDescription","fields":[{"name":"topic","type":"string"},{"name":"partition","type":"int"},{"name":"from","type":{"type":"array","items":"int"}},{"name":"to","type":{"type":"array","items":"int"}},{"name":"state","type":{"type":"enum","name":"MoveState","symbols":["waiting","copying"]}}]}}},{"name":"troubles","type":{"type":"array","items":{"type":"record","name":"PartitionTrouble","fields":[{"name":"topic","type":"string"},{"name":"partition","type":"int"},{"name":"state","type":{"type":"enum","name":"TroubleState","symbols":["overtaken","blocked","recovering","leaderless","repairing"]}},{"name":"epoch","type":"int"},{"name":"leader","type":"int"},{"name":"waitsFor","type":{"type":"array","items":"int"}},{"name":"untrusted","type":{"type":"array","items":"int"}}]}}},{"name":"losses","type":{"type":"array","items":{"type":"record","name":"RecordedLoss","fields":[{"name":"topic","type":"string"},{"name":"partition","type":"int"},{"name":"epoch","type":"int"},{"name":"at","type":"long"},{"name":"fromOffset","type":"long"},{"name":"givenUp","type":{"type":"array","items":"int"}}]}}}]},
  'describeGroups.v1.request': {"type":"record","name":"DescribeGroupsRequest","namespace":"sluice.v1","fields":[{"name":"groups","type":{"type":"array","items":"string"}}]},
  'describeGroups.v1.response': {"type":"record","name":"DescribeGroupsResponse","namespace":"sluice.v1","fields":[{"name":"groups","type":{"type":"array","items":{"type":"record","name":"GroupDescription","fields":[{"name":"group","type":"string"},{"name":"error","type":"int"},{"name":"message","type":"string"},{"name":"state","type":{"type":"enum","name":"GroupState","symbols":["empty","rebalancing","stable"]}},{"name":"generation","type":"int"},{"name":"assignor","type":"string"},{"name":"members","type":{"type":"array","items":{"type":"record","name":"GroupMember","fields":[{"name":"memberId","type":"string"},{"name":"instanceId","type":["null","string"]},{"name":"clientName","type":"string"},{"name":"clientAddress","type":"string"},{"name":"topics","type":{"type":"array","items":"string"}},{"name":"assigned","type":{"type":"array","items":{"type":"record","name":"MemberPartitions","fields":[{"name":"topic","type":"string"},{"name":"topicId","type":"string"},{"name":"partitions","type":{"type":"array","items":"int"}}]}}},{"name":"sessionTimeoutMs","type":"int"},{"name":"lastHeartbeatAgoMs","type":"int"}]}}}]}}}]},
  'describeRedrives.v1.request': {"type":"record","name":"DescribeRedrivesRequest","namespace":"sluice.v1","fields":[{"name":"redriveIds","type":{"type":"array","items":"string"}}]},
  'describeRedrives.v1.response': {"type":"record","name":"DescribeRedrivesResponse","namespace":"sluice.v1","fields":[{"name":"redrives","type":{"type":"array","items":{"type":"record","name":"RedriveDescription","fields":[{"name":"error","type":"int"},{"name":"message","type":"string"},{"name":"redriveId","type":"string"},{"name":"state","type":{"type":"enum","name":"RedriveState","symbols":["running","done","cancelled","failed"]}},{"name":"startedAt","type":"long"},{"name":"endedAt","type":"long"},{"name":"startedBy","type":"string"},{"name":"examined","type":"long"},{"name":"matched","type":"long"},{"name":"moved","type":"long"},{"name":"sourceTopicId","type":"string"},{"name":"partitions","type":{"type":"array","items":"int"}},{"name":"targetTopicId","type":"string"},{"name":"lane","type":"long"},{"name":"reasons","type":{"type":"array","items":{"type":"enum","name":"QueueFailureReason","symbols":["none","nack","timeout","disconnect","reject","exhausted","quarantine","ttl"]}}},{"name":"fromTimestamp","type":"long"},{"name":"toTimestamp","type":"long"},{"name":"headerName","type":["null","string"]},{"name":"headerValue","type":["null","string"]},{"name":"limit","type":"long"},{"name":"recordsPerSecond","type":"int"},{"name":"dryRun","type":"boolean"}]}}}]},
  'describeTopics.v1.request': {"type":"record","name":"DescribeTopicsRequest","namespace":"sluice.v1","fields":[{"name":"names","type":["null",{"type":"array","items":"string"}]}]},
  'describeTopics.v1.response': {"type":"record","name":"DescribeTopicsResponse","namespace":"sluice.v1","fields":[{"name":"topics","type":{"type":"array","items":{"type":"record","name":"TopicDescription","fields":[{"name":"name","type":"string"},{"name":"error","type":"int"},{"name":"message","type":"string"},{"name":"topicId","type":"string"},{"name":"kind","type":{"type":"enum","name":"DescribedTopicKind","symbols":["stream","queue"]}},{"name":"createdAt","type":"long"},{"name":"replicationFactor","type":"int"},{"name":"config","type":{"type":"array","items":{"type":"record","name":"TopicSetting","fields":[{"name":"name","type":"string"},{"name":"value","type":"string"},{"name":"source","type":{"type":"enum","name":"SettingSource","symbols":["default","broker","topic"]}}]}}},{"name":"partitions","type":{"type":"array","items":{"type":"record","name":"PartitionDescription","fields":[{"name":"partition","type":"int"},{"name":"leader","type":"int"},{"name":"leaderEpoch","type":"int"},{"name":"replicas","type":{"type":"array","items":"int"}},{"name":"logStartOffset","type":"long"},{"name":"highWatermark","type":"long"},{"name":"nextOffset","type":"long"},{"name":"sizeBytes","type":"long"},{"name":"segments","type":"int"},{"name":"state","type":{"type":"enum","name":"PartitionState","symbols":["online","readOnly","failed","offline"]}},{"name":"stateReason","type":"string"},{"name":"quarantined","type":{"type":"array","items":{"type":"record","name":"QuarantinedRange","fields":[{"name":"from","type":"long"},{"name":"to","type":"long"}]}}}]}}}]}}}]},
  'error.v1.response': {"type":"record","name":"ErrorResponse","namespace":"sluice.v1","fields":[{"name":"code","type":"int"},{"name":"message","type":"string"},{"name":"retryAfterMs","type":"int"}]},
  'explainRecords.v1.request': {"type":"record","name":"ExplainRecordsRequest","namespace":"sluice.v1","fields":[{"name":"targets","type":{"type":"array","items":{"type":"record","name":"ExplainTarget","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"group","type":"string"},{"name":"offset","type":"long"},{"name":"lane","type":"long"},{"name":"dedupId","type":["null","string"]}]}}}]},
  'explainRecords.v1.response': {"type":"record","name":"ExplainRecordsResponse","namespace":"sluice.v1","fields":[{"name":"results","type":{"type":"array","items":{"type":"record","name":"RecordExplanation","fields":[{"name":"error","type":"int"},{"name":"message","type":"string"},{"name":"offset","type":"long"},{"name":"state","type":{"type":"enum","name":"QueueRecordState","symbols":["unknown","aboveHighWatermark","fresh","ready","leased","delayed","blocked","rateLimited","held","quarantined","deadLetterPending","terminal"]}},{"name":"cause","type":{"type":"enum","name":"QueueEndCause","symbols":["unknown","acknowledged","cancelled","expired","dead","archived","purged","duplicate","damaged"]}},{"name":"failures","type":"int"},{"name":"maxAttempts","type":"int"},{"name":"deliveries","type":"int"},{"name":"timeLeftMs","type":"long"},{"name":"sessionId","type":"long"},{"name":"clientName","type":"string"},{"name":"clientAddress","type":"string"},{"name":"cancelRequested","type":"boolean"},{"name":"lane","type":"long"},{"name":"behindOffset","type":"long"},{"name":"recordsBefore","type":"long"},{"name":"paused","type":"boolean"},{"name":"atMaxInFlight","type":"boolean"},{"name":"reason","type":{"type":"enum","name":"QueueFailureReason","symbols":["none","nack","timeout","disconnect","reject","exhausted","quarantine","ttl"]}},{"name":"reasonText","type":"string"},{"name":"deadLetter","type":["null",{"type":"record","name":"DeadLetterPlace","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"offset","type":"long"}]}]},{"name":"damaged","type":"boolean"}]}}}]},
  'fetch.v1.request': {"type":"record","name":"FetchRequest","namespace":"sluice.v1","fields":[{"name":"maxWaitMs","type":"int"},{"name":"minBytes","type":"int"},{"name":"maxBytes","type":"int"},{"name":"partitions","type":{"type":"array","items":{"type":"record","name":"FetchPartition","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"offset","type":"long"},{"name":"lastEpoch","type":"int"},{"name":"maxBytes","type":"int"}]}}}]},
  'fetch.v1.response': {"type":"record","name":"FetchResponse","namespace":"sluice.v1","fields":[{"name":"throttleMs","type":"int"},{"name":"partitions","type":{"type":"array","items":{"type":"record","name":"FetchedPartition","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"error","type":"int"},{"name":"message","type":"string"},{"name":"highWatermark","type":"long"},{"name":"logStartOffset","type":"long"},{"name":"leader","type":"int"},{"name":"leaderEpoch","type":"int"},{"name":"resumeOffset","type":"long"},{"name":"size","type":"int"}]}}}]},
  'fetchOffsets.v1.request': {"type":"record","name":"FetchOffsetsRequest","namespace":"sluice.v1","fields":[{"name":"group","type":"string"},{"name":"partitions","type":["null",{"type":"array","items":{"type":"record","name":"OffsetOfPartition","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"}]}}]}]},
  'fetchOffsets.v1.response': {"type":"record","name":"FetchOffsetsResponse","namespace":"sluice.v1","fields":[{"name":"offsets","type":{"type":"array","items":{"type":"record","name":"CommittedOffset","fields":[{"name":"topic","type":"string"},{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"error","type":"int"},{"name":"message","type":"string"},{"name":"offset","type":"long"},{"name":"leaderEpoch","type":"int"},{"name":"metadata","type":["null","string"]},{"name":"committedAt","type":"long"}]}}}]},
  'findRedriven.v1.request': {"type":"record","name":"FindRedrivenRequest","namespace":"sluice.v1","fields":[{"name":"redriveId","type":"string"},{"name":"term","type":"int"},{"name":"ask","type":"long"},{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"fromOffset","type":"long"}]},
  'findRedriven.v1.response': {"type":"record","name":"FindRedrivenResponse","namespace":"sluice.v1","fields":[{"name":"leaderEpoch","type":"int"},{"name":"endOffset","type":"long"},{"name":"sequences","type":{"type":"array","items":"long"}}]},
  'forceRecover.v1.request': {"type":"record","name":"ForceRecoverRequest","namespace":"sluice.v1","fields":[{"name":"topic","type":"string"},{"name":"partition","type":"int"},{"name":"survivors","type":{"type":"array","items":"int"}},{"name":"dryRun","type":"boolean"}]},
  'forceRecover.v1.response': {"type":"record","name":"ForceRecoverResponse","namespace":"sluice.v1","fields":[{"name":"error","type":"int"},{"name":"message","type":"string"},{"name":"epoch","type":"int"},{"name":"leader","type":"int"},{"name":"givenUp","type":{"type":"array","items":"int"}}]},
  'goAway.v1.notice': {"type":"record","name":"GoAwayNotice","namespace":"sluice.v1","fields":[{"name":"reason","type":"string"},{"name":"closesInMs","type":"int"}]},
  'heartbeatGroup.v1.request': {"type":"record","name":"HeartbeatGroupRequest","namespace":"sluice.v1","fields":[{"name":"group","type":"string"},{"name":"memberId","type":"string"},{"name":"generation","type":"int"},{"name":"maxWaitMs","type":"int"},{"name":"owned","type":{"type":"array","items":{"type":"record","name":"OwnedPartitions","fields":[{"name":"topicId","type":"string"},{"name":"partitions","type":{"type":"array","items":"int"}}]}}}]},
  'heartbeatGroup.v1.response': {"type":"record","name":"HeartbeatGroupResponse","namespace":"sluice.v1","fields":[{"name":"generation","type":"int"},{"name":"heartbeatIntervalMs","type":"int"},{"name":"assigned","type":{"type":"array","items":{"type":"record","name":"AssignedPartitions","fields":[{"name":"topic","type":"string"},{"name":"topicId","type":"string"},{"name":"partitions","type":{"type":"array","items":"int"}}]}}}]},
  'heartbeatSession.v1.request': {"type":"record","name":"HeartbeatSessionRequest","namespace":"sluice.v1","fields":[{"name":"sessionId","type":"long"}]},
  'heartbeatSession.v1.response': {"type":"record","name":"HeartbeatSessionResponse","namespace":"sluice.v1","fields":[{"name":"heartbeatMs","type":"int"},{"name":"notices","type":{"type":"array","items":{"type":"record","name":"LeaseNotice","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"group","type":"string"},{"name":"kind","type":{"type":"enum","name":"LeaseNoticeKind","symbols":["cancelRequested","lost","sessionLost"]}},{"name":"offset","type":"long"},{"name":"leaseEpoch","type":"int"},{"name":"leaseSequence","type":"long"}]}}},{"name":"more","type":"boolean"}]},
  'hello.v1.request': {"type":"record","name":"HelloRequest","namespace":"sluice.v1","fields":[{"name":"clientName","type":"string"},{"name":"clientVersion","type":"string"},{"name":"apis","type":{"type":"array","items":{"type":"record","name":"ClientApiRange","fields":[{"name":"api","type":"int"},{"name":"minVersion","type":"int"},{"name":"maxVersion","type":"int"}]}}},{"name":"features","type":"long"},{"name":"mechanism","type":["null","string"]}]},
  'hello.v1.response': {"type":"record","name":"HelloResponse","namespace":"sluice.v1","fields":[{"name":"clusterId","type":"string"},{"name":"brokerId","type":"int"},{"name":"brokerVersion","type":"string"},{"name":"apis","type":{"type":"array","items":{"type":"record","name":"BrokerApiRange","fields":[{"name":"api","type":"int"},{"name":"name","type":"string"},{"name":"minVersion","type":"int"},{"name":"maxVersion","type":"int"}]}}},{"name":"features","type":"long"},{"name":"mechanisms","type":{"type":"array","items":"string"}},{"name":"maxFrameBytes","type":"int"},{"name":"maxRecordBatchBytes","type":"int"},{"name":"maxInFlightRequests","type":"int"},{"name":"maxInFlightBytes","type":"int"},{"name":"rememberedBatches","type":"int"},{"name":"maxRecordsPerReceive","type":"int"},{"name":"maxRecordsPerSettle","type":"int"},{"name":"maxItemsPerRequest","type":"int"},{"name":"timeMs","type":"long"}]},
  'initProducer.v1.request': {"type":"record","name":"InitProducerRequest","namespace":"sluice.v1","fields":[{"name":"producerId","type":"long"},{"name":"producerEpoch","type":"int"}]},
  'initProducer.v1.response': {"type":"record","name":"InitProducerResponse","namespace":"sluice.v1","fields":[{"name":"producerId","type":"long"},{"name":"producerEpoch","type":"int"}]},
  'joinGroup.v1.request': {"type":"record","name":"JoinGroupRequest","namespace":"sluice.v1","fields":[{"name":"group","type":"string"},{"name":"memberId","type":"string"},{"name":"instanceId","type":["null","string"]},{"name":"topics","type":{"type":"array","items":"string"}},{"name":"assignor","type":"string"},{"name":"sessionTimeoutMs","type":"int"},{"name":"rebalanceTimeoutMs","type":"int"},{"name":"generation","type":"int"},{"name":"owned","type":{"type":"array","items":{"type":"record","name":"OwnedPartitions","fields":[{"name":"topicId","type":"string"},{"name":"partitions","type":{"type":"array","items":"int"}}]}}}]},
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
  'metadata.v1.response': {"type":"record","name":"MetadataResponse","namespace":"sluice.v1","fields":[{"name":"clusterId","type":"string"},{"name":"controllerId","type":"int"},{"name":"timeMs","type":"long"},{"name":"brokers","type":{"type":"array","items":{"type":"record","name":"BrokerAddress","fields":[{"name":"brokerId","type":"int"},{"name":"host","type":"string"},{"name":"port","type":"int"},{"name":"rack","type":["null","string"]}]}}},{"name":"topics","type":{"type":"array","items":{"type":"record","name":"TopicMetadata","fields":[{"name":"error","type":"int"},{"name":"message","type":"string"},{"name":"name","type":"string"},{"name":"topicId","type":"string"},{"name":"kind","type":{"type":"enum","name":"TopicKind","symbols":["stream","queue"]}},{"name":"partitions","type":{"type":"array","items":{"type":"record","name":"PartitionMetadata","fields":[{"name":"partition","type":"int"},{"name":"leader","type":"int"},{"name":"leaderEpoch","type":"int"},{"name":"replicas","type":{"type":"array","items":"int"}}]}}}]}}}]},
  'moveReplicas.v1.request': {"type":"record","name":"MoveReplicasRequest","namespace":"sluice.v1","fields":[{"name":"topic","type":"string"},{"name":"partition","type":"int"},{"name":"replicas","type":{"type":"array","items":"int"}},{"name":"dryRun","type":"boolean"}]},
  'moveReplicas.v1.response': {"type":"record","name":"MoveReplicasResponse","namespace":"sluice.v1","fields":[{"name":"error","type":"int"},{"name":"message","type":"string"},{"name":"from","type":{"type":"array","items":"int"}},{"name":"to","type":{"type":"array","items":"int"}}]},
  'openSession.v1.request': {"type":"record","name":"OpenSessionRequest","namespace":"sluice.v1","fields":[{"name":"sessionId","type":"long"},{"name":"token","type":"string"},{"name":"clientName","type":"string"},{"name":"leases","type":{"type":"enum","name":"LeaseMode","symbols":["visibility","session","started"]}}]},
  'openSession.v1.response': {"type":"record","name":"OpenSessionResponse","namespace":"sluice.v1","fields":[{"name":"sessionId","type":"long"},{"name":"token","type":"string"},{"name":"heartbeatMs","type":"int"}]},
  'peekRecords.v1.request': {"type":"record","name":"PeekRecordsRequest","namespace":"sluice.v1","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"group","type":"string"},{"name":"fromOffset","type":"long"},{"name":"maxRecords","type":"int"},{"name":"maxBytes","type":"int"},{"name":"states","type":{"type":"array","items":{"type":"enum","name":"QueueRecordState","symbols":["unknown","aboveHighWatermark","fresh","ready","leased","delayed","blocked","rateLimited","held","quarantined","deadLetterPending","terminal"]}}}]},
  'peekRecords.v1.response': {"type":"record","name":"PeekRecordsResponse","namespace":"sluice.v1","fields":[{"name":"records","type":{"type":"array","items":{"type":"record","name":"PeekedRecord","fields":[{"name":"offset","type":"long"},{"name":"state","type":{"type":"enum","name":"QueueRecordState","symbols":["unknown","aboveHighWatermark","fresh","ready","leased","delayed","blocked","rateLimited","held","quarantined","deadLetterPending","terminal"]}},{"name":"failures","type":"int"},{"name":"deliveries","type":"int"},{"name":"timeLeftMs","type":"long"},{"name":"sessionId","type":"long"},{"name":"damaged","type":"boolean"}]}}},{"name":"nextOffset","type":"long"},{"name":"size","type":"int"}]},
  'peerHello.v1.request': {"type":"record","name":"PeerHelloRequest","namespace":"sluice.v1","fields":[{"name":"clusterId","type":"string"},{"name":"brokerId","type":"int"},{"name":"incarnation","type":"string"},{"name":"targetId","type":"int"}]},
  'peerHello.v1.response': {"type":"record","name":"PeerHelloResponse","namespace":"sluice.v1","fields":[{"name":"brokerId","type":"int"},{"name":"incarnation","type":"string"}]},
  'produce.v1.request': {"type":"record","name":"ProduceRequest","namespace":"sluice.v1","fields":[{"name":"acks","type":{"type":"enum","name":"Acks","symbols":["none","leader","quorum"]}},{"name":"timeoutMs","type":"int"},{"name":"batches","type":{"type":"array","items":{"type":"record","name":"ProduceBatch","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"size","type":"int"}]}}}]},
  'produce.v1.response': {"type":"record","name":"ProduceResponse","namespace":"sluice.v1","fields":[{"name":"throttleMs","type":"int"},{"name":"results","type":{"type":"array","items":{"type":"record","name":"ProduceResult","fields":[{"name":"partition","type":"int"},{"name":"error","type":"int"},{"name":"message","type":"string"},{"name":"baseOffset","type":"long"},{"name":"logStartOffset","type":"long"},{"name":"duplicate","type":"boolean"},{"name":"leader","type":"int"},{"name":"leaderEpoch","type":"int"},{"name":"duplicateRecords","type":{"type":"array","items":{"type":"record","name":"DuplicateRecord","fields":[{"name":"index","type":"int"},{"name":"offset","type":"long"},{"name":"state","type":{"type":"enum","name":"QueueRecordState","symbols":["unknown","aboveHighWatermark","fresh","ready","leased","delayed","blocked","rateLimited","held","quarantined","deadLetterPending","terminal"]}}]}}}]}}}]},
  'queueStats.v1.request': {"type":"record","name":"QueueStatsRequest","namespace":"sluice.v1","fields":[{"name":"partitions","type":{"type":"array","items":{"type":"record","name":"QueueStatsPartition","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"group","type":"string"}]}}}]},
  'queueStats.v1.response': {"type":"record","name":"QueueStatsResponse","namespace":"sluice.v1","fields":[{"name":"partitions","type":{"type":"array","items":{"type":"record","name":"QueueStats","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"group","type":"string"},{"name":"error","type":"int"},{"name":"message","type":"string"},{"name":"floor","type":"long"},{"name":"nextOffset","type":"long"},{"name":"highWatermark","type":"long"},{"name":"ready","type":"long"},{"name":"leased","type":"long"},{"name":"delayed","type":"long"},{"name":"blocked","type":"long"},{"name":"deadLetterPending","type":"long"},{"name":"fresh","type":"long"},{"name":"acknowledged","type":"long"},{"name":"cancelled","type":"long"},{"name":"expired","type":"long"},{"name":"dead","type":"long"},{"name":"archived","type":"long"},{"name":"purged","type":"long"},{"name":"duplicates","type":"long"},{"name":"damaged","type":"long"},{"name":"oldestFreshAgeMs","type":"long"},{"name":"oldestReadyAgeMs","type":"long"},{"name":"oldestLeasedAgeMs","type":"long"},{"name":"oldestDelayedAgeMs","type":"long"},{"name":"oldestBlockedAgeMs","type":"long"},{"name":"oldestDeadLetterPendingAgeMs","type":"long"},{"name":"oldestOutstandingOffset","type":"long"},{"name":"busyLanes","type":"long"},{"name":"stoppedLanes","type":"long"},{"name":"stopped","type":{"type":"array","items":{"type":"record","name":"StoppedLane","fields":[{"name":"lane","type":"long"},{"name":"state","type":{"type":"enum","name":"QueueRecordState","symbols":["unknown","aboveHighWatermark","fresh","ready","leased","delayed","blocked","rateLimited","held","quarantined","deadLetterPending","terminal"]}},{"name":"offset","type":"long"}]}}},{"name":"sessions","type":"int"},{"name":"paused","type":"boolean"}]}}}]},
  'receive.v1.request': {"type":"record","name":"ReceiveRequest","namespace":"sluice.v1","fields":[{"name":"sessionId","type":"long"},{"name":"maxRecords","type":"int"},{"name":"maxBytes","type":"int"},{"name":"maxWaitMs","type":"int"},{"name":"partitions","type":{"type":"array","items":{"type":"record","name":"ReceivePartition","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"group","type":"string"}]}}}]},
  'receive.v1.response': {"type":"record","name":"ReceiveResponse","namespace":"sluice.v1","fields":[{"name":"heartbeatMs","type":"int"},{"name":"partitions","type":{"type":"array","items":{"type":"record","name":"ReceivedPartition","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"group","type":"string"},{"name":"error","type":"int"},{"name":"message","type":"string"},{"name":"leader","type":"int"},{"name":"leaderEpoch","type":"int"},{"name":"leaseEpoch","type":"int"},{"name":"visibilityMs","type":"int"},{"name":"disconnectGraceMs","type":"int"},{"name":"leases","type":{"type":"array","items":{"type":"record","name":"LeaseRun","fields":[{"name":"offset","type":"long"},{"name":"count","type":"int"},{"name":"leaseSequence","type":"long"},{"name":"deliveries","type":"int"}]}}},{"name":"size","type":"int"}]}}}]},
  'replicate.v1.request': {"type":"record","name":"ReplicateRequest","namespace":"sluice.v1","fields":[{"name":"newEpochs","type":{"type":"array","items":{"type":"record","name":"ReplicaNewEpoch","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"epoch","type":"int"},{"name":"storeId","type":"string"}]}}},{"name":"promises","type":{"type":"array","items":{"type":"record","name":"ReplicaPromise","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"epoch","type":"int"},{"name":"storeId","type":"string"},{"name":"trusted","type":"boolean"},{"name":"logs","type":{"type":"array","items":{"type":"record","name":"LogClaim","fields":[{"name":"startOffset","type":"long"},{"name":"endOffset","type":"long"},{"name":"lastEpoch","type":"int"},{"name":"lastCrc","type":"long"},{"name":"epochs","type":{"type":"array","items":{"type":"record","name":"ReplicaEpoch","fields":[{"name":"epoch","type":"int"},{"name":"startOffset","type":"long"}]}}},{"name":"damagedFrom","type":"long"},{"name":"owedEpoch","type":"int"},{"name":"owedOffset","type":"long"}]}}}]}}},{"name":"fences","type":{"type":"array","items":{"type":"record","name":"ReplicaFence","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"epoch","type":"int"}]}}},{"name":"pulls","type":{"type":"array","items":{"type":"record","name":"ReplicaPull","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"epoch","type":"int"},{"name":"log","type":"int"},{"name":"offset","type":"long"}]}}},{"name":"pulled","type":{"type":"array","items":{"type":"record","name":"ReplicaPulled","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"epoch","type":"int"},{"name":"log","type":"int"},{"name":"offset","type":"long"},{"name":"size","type":"int"}]}}},{"name":"beginEpochs","type":{"type":"array","items":{"type":"record","name":"ReplicaBeginEpoch","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"epoch","type":"int"},{"name":"storeId","type":"string"}]}}},{"name":"fetches","type":{"type":"array","items":{"type":"record","name":"ReplicaFetch","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"epoch","type":"int"},{"name":"storeId","type":"string"},{"name":"sequence","type":"long"},{"name":"probe","type":"long"},{"name":"positions","type":{"type":"array","items":{"type":"record","name":"ReplicaPosition","fields":[{"name":"offset","type":"long"},{"name":"lastEpoch","type":"int"},{"name":"empty","type":"boolean"},{"name":"durableOffset","type":"long"}]}}}]}}},{"name":"fetched","type":{"type":"array","items":{"type":"record","name":"ReplicaFetched","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"epoch","type":"int"},{"name":"sequence","type":"long"},{"name":"probe","type":"long"},{"name":"parts","type":{"type":"array","items":{"type":"record","name":"ReplicaPart","fields":[{"name":"kind","type":{"type":"enum","name":"ReplicaPartKind","symbols":["records","diverge","restart"]}},{"name":"offset","type":"long"},{"name":"lastEpoch","type":"int"},{"name":"highWatermark","type":"long"},{"name":"startOffset","type":"long"},{"name":"endOffset","type":"long"},{"name":"epoch","type":"int"},{"name":"prevCrc","type":"long"},{"name":"size","type":"int"}]}}}]}}},{"name":"acks","type":{"type":"array","items":{"type":"record","name":"ReplicaAck","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"epoch","type":"int"},{"name":"storeId","type":"string"},{"name":"durableOffsets","type":{"type":"array","items":"long"}}]}}}]},
  'rescheduleRecords.v1.request': {"type":"record","name":"RescheduleRecordsRequest","namespace":"sluice.v1","fields":[{"name":"timeoutMs","type":"int"},{"name":"targets","type":{"type":"array","items":{"type":"record","name":"RescheduleTarget","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"group","type":"string"},{"name":"offset","type":"long"},{"name":"dedupId","type":["null","string"]},{"name":"delayMs","type":"long"},{"name":"notBefore","type":"long"}]}}}]},
  'rescheduleRecords.v1.response': {"type":"record","name":"RescheduleRecordsResponse","namespace":"sluice.v1","fields":[{"name":"results","type":{"type":"array","items":{"type":"record","name":"RescheduleResult","fields":[{"name":"error","type":"int"},{"name":"message","type":"string"},{"name":"answer","type":{"type":"enum","name":"ChangeAnswer","symbols":["ok","requested","leased","alreadyTerminal","unknown","busy"]}},{"name":"offset","type":"long"},{"name":"notBefore","type":"long"}]}}}]},
  'settle.v1.request': {"type":"record","name":"SettleRequest","namespace":"sluice.v1","fields":[{"name":"acks","type":{"type":"enum","name":"Acks","symbols":["none","leader","quorum"]}},{"name":"timeoutMs","type":"int"},{"name":"partitions","type":{"type":"array","items":{"type":"record","name":"SettlePartition","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"group","type":"string"},{"name":"items","type":{"type":"array","items":{"type":"record","name":"SettleItem","fields":[{"name":"kind","type":{"type":"enum","name":"SettleKind","symbols":["ack","nack","release","reject","extend","start"]}},{"name":"offset","type":"long"},{"name":"count","type":"int"},{"name":"leaseEpoch","type":"int"},{"name":"leaseSequence","type":"long"},{"name":"delayMs","type":"long"},{"name":"reason","type":"string"}]}}}]}}}]},
  'settle.v1.response': {"type":"record","name":"SettleResponse","namespace":"sluice.v1","fields":[{"name":"results","type":{"type":"array","items":{"type":"record","name":"SettleResult","fields":[{"name":"partition","type":"int"},{"name":"error","type":"int"},{"name":"message","type":"string"},{"name":"answers","type":{"type":"array","items":{"type":"record","name":"SettleAnswerRun","fields":[{"name":"count","type":"int"},{"name":"answer","type":{"type":"enum","name":"SettleAnswer","symbols":["ok","lateOk","alreadySettled","staleLease","unknown","outOfOrder","busy"]}}]}}}]}}}]},
  'startRedrive.v1.request': {"type":"record","name":"StartRedriveRequest","namespace":"sluice.v1","fields":[{"name":"sourceTopicId","type":"string"},{"name":"partitions","type":{"type":"array","items":"int"}},{"name":"targetTopicId","type":"string"},{"name":"lane","type":"long"},{"name":"reasons","type":{"type":"array","items":{"type":"enum","name":"QueueFailureReason","symbols":["none","nack","timeout","disconnect","reject","exhausted","quarantine","ttl"]}}},{"name":"fromTimestamp","type":"long"},{"name":"toTimestamp","type":"long"},{"name":"headerName","type":["null","string"]},{"name":"headerValue","type":["null","string"]},{"name":"limit","type":"long"},{"name":"recordsPerSecond","type":"int"},{"name":"dryRun","type":"boolean"}]},
  'startRedrive.v1.response': {"type":"record","name":"StartRedriveResponse","namespace":"sluice.v1","fields":[{"name":"redriveId","type":"string"}]},
  'storeDeadLetter.v1.request': {"type":"record","name":"StoreDeadLetterRequest","namespace":"sluice.v1","fields":[{"name":"topicId","type":"string"},{"name":"partition","type":"int"},{"name":"sourceTopicId","type":"string"},{"name":"sourcePartition","type":"int"},{"name":"group","type":"string"},{"name":"offset","type":"long"},{"name":"sourceEpoch","type":"int"},{"name":"ask","type":"long"},{"name":"firstEpoch","type":"int"},{"name":"diedAt","type":"long"},{"name":"forget","type":{"type":"array","items":"long"}}]},
  'storeDeadLetter.v1.response': {"type":"record","name":"StoreDeadLetterResponse","namespace":"sluice.v1","fields":[{"name":"offset","type":"long"}]},
} as const
