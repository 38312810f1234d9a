// Generated from apis.json, errors.json and schemas/ by `npm run generate`. Do not edit.

/** Error numbers by name; errors.json has the texts. */
export const ERROR = {
  /** Success. Nothing to do. */
  NONE: 0,
  /** The broker met a condition that it was not built for; its log has the details. Report it with the broker log. The request may have been carried out. */
  INTERNAL: 1,
  /** The bytes received are not a valid frame or body. Mend the client; the connection is closed where the frame border is lost. */
  MALFORMED_FRAME: 2,
  /** The frame is larger than the limit told in the hello response. Send smaller requests, or raise the limit of the broker. */
  FRAME_TOO_LARGE: 3,
  /** The broker does not know this api. Look at the apis of the hello response; upgrade the broker or do without. */
  UNKNOWN_API: 4,
  /** The broker does not speak this version of the api. Choose a version inside the range of the hello response. */
  UNSUPPORTED_VERSION: 5,
  /** Another request came before the hello. Send hello first on every connection. */
  HELLO_REQUIRED: 6,
  /** A field of the request has a value that is not allowed. The message names the field and what it may be. */
  INVALID_REQUEST: 7,
  /** The broker is stopping and takes no new work. Connect to another broker, or to this one after its restart. */
  SHUTTING_DOWN: 8,
  /** The request was not done within its timeout. Retry; an idempotent producer may do so safely. */
  REQUEST_TIMED_OUT: 9,
  /** A limit on work in progress is reached. Wait and retry with back-off. */
  BUSY: 10,
  /** The credentials are wrong. Check user and password or token. */
  AUTHENTICATION_FAILED: 11,
  /** The user may not do this. Ask an administrator for the permission that the message names. */
  NOT_AUTHORIZED: 12,
  /** The client is over its quota. Wait for retryAfterMs and retry. */
  QUOTA_EXCEEDED: 13,
  /** There is no topic of this name or id. Create it, or refresh the metadata where it was deleted and created anew. */
  UNKNOWN_TOPIC: 20,
  /** The topic has no partition of this number. Refresh the metadata. */
  UNKNOWN_PARTITION: 21,
  /** A topic of this name exists. Choose another name, or use the topic that is there. */
  TOPIC_EXISTS: 22,
  /** The name is not allowed. Use 1 to 249 characters out of a-z A-Z 0-9 . _ - ; not . or .. */
  INVALID_TOPIC_NAME: 23,
  /** A setting is unknown or its value is out of range. The message names the setting and its range. */
  INVALID_CONFIG: 24,
  /** The number of partitions is not allowed. The message gives the range. */
  INVALID_PARTITIONS: 25,
  /** The replication factor is not allowed or there are too few brokers. Ask for no more replicas than there are brokers. */
  INVALID_REPLICATION: 26,
  /** This broker does not lead the partition. Refresh the metadata and send the request to the leader. */
  NOT_LEADER: 27,
  /** The partition has no leader now. Retry with back-off. */
  LEADER_NOT_AVAILABLE: 28,
  /** The request carries an older leader epoch than the broker knows. Refresh the metadata and retry. */
  FENCED_EPOCH: 29,
  /** No majority of the replicas can be reached. Retry with back-off; the write may have happened. */
  NOT_ENOUGH_REPLICAS: 30,
  /** The offset is below the start of the log or above its end. Start anew from earliest or latest; resumeOffset names the nearest offset. */
  OFFSET_OUT_OF_RANGE: 31,
  /** The replica does not have the offset yet. Retry, here or at the leader. */
  OFFSET_NOT_AVAILABLE: 32,
  /** The log was cut below what the client has read: records were lost by a forced recovery. Go on from resumeOffset; the records between are gone. */
  OFFSET_TRUNCATED: 33,
  /** The bytes on disk at these offsets are damaged. Go on from resumeOffset; run sluice segment verify on the data folder of the broker. */
  CORRUPT_DATA: 34,
  /** The broker has stopped leading the partition, or is stopping, while the request waited to become durable. Refresh the metadata and send it to the leader again, with the same producer and sequence: what was stored is not stored twice. */
  OUTCOME_UNKNOWN: 35,
  /** The record batch is malformed or its checksum does not match. Send it again if the bytes were damaged on the way; otherwise mend the client. */
  INVALID_BATCH: 40,
  /** The record batch is larger than the topic allows. Send smaller records, or raise max.batch.bytes of the topic. */
  RECORD_TOO_LARGE: 41,
  /** The compression codec is not known. Use none, gzip or brotli, which every client knows. */
  UNSUPPORTED_CODEC: 42,
  /** The batch leaves a gap after the last sequence of this producer. An earlier batch was lost: send that first, or get a new producer epoch. */
  OUT_OF_ORDER_SEQUENCE: 43,
  /** The partition does not know this producer and the sequence is not 0. Get a new producer epoch and decide what to send again. */
  UNKNOWN_PRODUCER: 44,
  /** A newer epoch of this producer has written. Stop: another process has taken over this producer id. */
  PRODUCER_FENCED: 45,
  /** The batch was stored before, too long ago for its offset to be known. Take it as stored. */
  DUPLICATE_SEQUENCE: 46,
  /** The disk takes no writes now: it is full, read-only or out of file handles. Free space or mend the cause that the message names; writes go on by themselves. */
  STORAGE_UNAVAILABLE: 50,
  /** A write or sync of this partition failed; it refuses writes until the broker restarts. Check the disk, then restart the broker. */
  STORAGE_FAILED: 51,
  /** The group does not know this member: its session ran out or the broker restarted. Join the group again. */
  UNKNOWN_MEMBER: 60,
  /** The group has moved on to a newer generation. Send a heartbeat, take over the assignment, commit only what is still assigned. */
  STALE_GENERATION: 61,
  /** The partition is not assigned to this member. Stop work on it; its new owner goes on from the last committed offset. */
  PARTITION_NOT_OWNED: 62,
  /** Another member has joined with the same instance id. Give each process its own instance id. */
  INSTANCE_FENCED: 63,
  /** There is no group of this name. Check the name with sluice group list. */
  UNKNOWN_GROUP: 64,
  /** The group has members. Stop its consumers first. */
  GROUP_NOT_EMPTY: 65,
  /** The group uses another assignor. Use the same assignor in all members. */
  INCONSISTENT_ASSIGNOR: 66,
  /** The session is not open on this connection, or its token is wrong. Open it with its id and token; where that is refused, begin a new one: the leases of the old one are over. */
  UNKNOWN_SESSION: 70,
  /** The topic is not a queue, or has no queue group of that name, and the request needs one. Use a topic that was created as a queue, and its own group, named by the empty string; read a stream with a stream group. */
  NOT_A_QUEUE: 71,
  /** The queue keeps the order of keys and a record of the batch has no lane. Give every record a key, or set keyless of the queue to unordered. A client puts the lane of each key into the extras of the batch. */
  KEY_REQUIRED: 72,
  /** An option of a record is out of range, or contradicts another: delay, time to live, priority or dedup id; or the batch is encrypted, which queues cannot take. The message names the record, the option and its range. Nothing of the batch was stored. */
  INVALID_RECORD_OPTIONS: 73,
  /** There is no redrive of this id. List the redrives; those that ended long ago are forgotten. */
  UNKNOWN_REDRIVE: 74,
} as const

export type ErrorName = keyof typeof ERROR

/** What kind of failure an error is, for a client that does not tell the numbers apart. */
export type ErrorCategory =
  | 'ALREADY_EXISTS'
  | 'AUTHENTICATION'
  | 'AUTHORIZATION'
  | 'BACKPRESSURE'
  | 'CONNECTION'
  | 'CORRUPT'
  | 'DUPLICATE'
  | 'FENCED'
  | 'INVALID'
  | 'LEASE'
  | 'NOT_LEADER'
  | 'OFFSET_OUT_OF_RANGE'
  | 'PROTOCOL'
  | 'QUOTA'
  | 'REBALANCE'
  | 'RECORD_TOO_LARGE'
  | 'STORAGE'
  | 'TIMEOUT'
  | 'UNKNOWN_GROUP'
  | 'UNKNOWN_TOPIC'
  | 'UNSUPPORTED'

export interface ErrorRow {
  readonly number: number
  readonly name: ErrorName
  /** May the same request succeed later? */
  readonly retriable: boolean
  /** May the request have taken effect all the same? */
  readonly maybeApplied: boolean
  readonly category: ErrorCategory | ''
  readonly text: string
  /** What the one who meets it should do next. */
  readonly action: string
}

export const ERRORS: readonly ErrorRow[] = [
  {"number":0,"name":"NONE","retriable":false,"maybeApplied":false,"category":"","text":"Success.","action":"Nothing to do."},
  {"number":1,"name":"INTERNAL","retriable":false,"maybeApplied":true,"category":"PROTOCOL","text":"The broker met a condition that it was not built for; its log has the details.","action":"Report it with the broker log. The request may have been carried out."},
  {"number":2,"name":"MALFORMED_FRAME","retriable":false,"maybeApplied":false,"category":"PROTOCOL","text":"The bytes received are not a valid frame or body.","action":"Mend the client; the connection is closed where the frame border is lost."},
  {"number":3,"name":"FRAME_TOO_LARGE","retriable":false,"maybeApplied":false,"category":"PROTOCOL","text":"The frame is larger than the limit told in the hello response.","action":"Send smaller requests, or raise the limit of the broker."},
  {"number":4,"name":"UNKNOWN_API","retriable":false,"maybeApplied":false,"category":"UNSUPPORTED","text":"The broker does not know this api.","action":"Look at the apis of the hello response; upgrade the broker or do without."},
  {"number":5,"name":"UNSUPPORTED_VERSION","retriable":false,"maybeApplied":false,"category":"UNSUPPORTED","text":"The broker does not speak this version of the api.","action":"Choose a version inside the range of the hello response."},
  {"number":6,"name":"HELLO_REQUIRED","retriable":false,"maybeApplied":false,"category":"PROTOCOL","text":"Another request came before the hello.","action":"Send hello first on every connection."},
  {"number":7,"name":"INVALID_REQUEST","retriable":false,"maybeApplied":false,"category":"PROTOCOL","text":"A field of the request has a value that is not allowed.","action":"The message names the field and what it may be."},
  {"number":8,"name":"SHUTTING_DOWN","retriable":true,"maybeApplied":false,"category":"CONNECTION","text":"The broker is stopping and takes no new work.","action":"Connect to another broker, or to this one after its restart."},
  {"number":9,"name":"REQUEST_TIMED_OUT","retriable":true,"maybeApplied":true,"category":"TIMEOUT","text":"The request was not done within its timeout.","action":"Retry; an idempotent producer may do so safely."},
  {"number":10,"name":"BUSY","retriable":true,"maybeApplied":false,"category":"BACKPRESSURE","text":"A limit on work in progress is reached.","action":"Wait and retry with back-off."},
  {"number":11,"name":"AUTHENTICATION_FAILED","retriable":false,"maybeApplied":false,"category":"AUTHENTICATION","text":"The credentials are wrong.","action":"Check user and password or token."},
  {"number":12,"name":"NOT_AUTHORIZED","retriable":false,"maybeApplied":false,"category":"AUTHORIZATION","text":"The user may not do this.","action":"Ask an administrator for the permission that the message names."},
  {"number":13,"name":"QUOTA_EXCEEDED","retriable":true,"maybeApplied":false,"category":"QUOTA","text":"The client is over its quota.","action":"Wait for retryAfterMs and retry."},
  {"number":20,"name":"UNKNOWN_TOPIC","retriable":false,"maybeApplied":false,"category":"UNKNOWN_TOPIC","text":"There is no topic of this name or id.","action":"Create it, or refresh the metadata where it was deleted and created anew."},
  {"number":21,"name":"UNKNOWN_PARTITION","retriable":false,"maybeApplied":false,"category":"UNKNOWN_TOPIC","text":"The topic has no partition of this number.","action":"Refresh the metadata."},
  {"number":22,"name":"TOPIC_EXISTS","retriable":false,"maybeApplied":false,"category":"ALREADY_EXISTS","text":"A topic of this name exists.","action":"Choose another name, or use the topic that is there."},
  {"number":23,"name":"INVALID_TOPIC_NAME","retriable":false,"maybeApplied":false,"category":"INVALID","text":"The name is not allowed.","action":"Use 1 to 249 characters out of a-z A-Z 0-9 . _ - ; not . or .."},
  {"number":24,"name":"INVALID_CONFIG","retriable":false,"maybeApplied":false,"category":"INVALID","text":"A setting is unknown or its value is out of range.","action":"The message names the setting and its range."},
  {"number":25,"name":"INVALID_PARTITIONS","retriable":false,"maybeApplied":false,"category":"INVALID","text":"The number of partitions is not allowed.","action":"The message gives the range."},
  {"number":26,"name":"INVALID_REPLICATION","retriable":false,"maybeApplied":false,"category":"INVALID","text":"The replication factor is not allowed or there are too few brokers.","action":"Ask for no more replicas than there are brokers."},
  {"number":27,"name":"NOT_LEADER","retriable":true,"maybeApplied":false,"category":"NOT_LEADER","text":"This broker does not lead the partition.","action":"Refresh the metadata and send the request to the leader."},
  {"number":28,"name":"LEADER_NOT_AVAILABLE","retriable":true,"maybeApplied":false,"category":"NOT_LEADER","text":"The partition has no leader now.","action":"Retry with back-off."},
  {"number":29,"name":"FENCED_EPOCH","retriable":true,"maybeApplied":false,"category":"FENCED","text":"The request carries an older leader epoch than the broker knows.","action":"Refresh the metadata and retry."},
  {"number":30,"name":"NOT_ENOUGH_REPLICAS","retriable":true,"maybeApplied":true,"category":"TIMEOUT","text":"No majority of the replicas can be reached.","action":"Retry with back-off; the write may have happened."},
  {"number":31,"name":"OFFSET_OUT_OF_RANGE","retriable":false,"maybeApplied":false,"category":"OFFSET_OUT_OF_RANGE","text":"The offset is below the start of the log or above its end.","action":"Start anew from earliest or latest; resumeOffset names the nearest offset."},
  {"number":32,"name":"OFFSET_NOT_AVAILABLE","retriable":true,"maybeApplied":false,"category":"NOT_LEADER","text":"The replica does not have the offset yet.","action":"Retry, here or at the leader."},
  {"number":33,"name":"OFFSET_TRUNCATED","retriable":false,"maybeApplied":false,"category":"OFFSET_OUT_OF_RANGE","text":"The log was cut below what the client has read: records were lost by a forced recovery.","action":"Go on from resumeOffset; the records between are gone."},
  {"number":34,"name":"CORRUPT_DATA","retriable":false,"maybeApplied":false,"category":"CORRUPT","text":"The bytes on disk at these offsets are damaged.","action":"Go on from resumeOffset; run sluice segment verify on the data folder of the broker."},
  {"number":35,"name":"OUTCOME_UNKNOWN","retriable":true,"maybeApplied":true,"category":"NOT_LEADER","text":"The broker has stopped leading the partition, or is stopping, while the request waited to become durable.","action":"Refresh the metadata and send it to the leader again, with the same producer and sequence: what was stored is not stored twice."},
  {"number":40,"name":"INVALID_BATCH","retriable":false,"maybeApplied":false,"category":"PROTOCOL","text":"The record batch is malformed or its checksum does not match.","action":"Send it again if the bytes were damaged on the way; otherwise mend the client."},
  {"number":41,"name":"RECORD_TOO_LARGE","retriable":false,"maybeApplied":false,"category":"RECORD_TOO_LARGE","text":"The record batch is larger than the topic allows.","action":"Send smaller records, or raise max.batch.bytes of the topic."},
  {"number":42,"name":"UNSUPPORTED_CODEC","retriable":false,"maybeApplied":false,"category":"UNSUPPORTED","text":"The compression codec is not known.","action":"Use none, gzip or brotli, which every client knows."},
  {"number":43,"name":"OUT_OF_ORDER_SEQUENCE","retriable":false,"maybeApplied":false,"category":"FENCED","text":"The batch leaves a gap after the last sequence of this producer.","action":"An earlier batch was lost: send that first, or get a new producer epoch."},
  {"number":44,"name":"UNKNOWN_PRODUCER","retriable":false,"maybeApplied":false,"category":"FENCED","text":"The partition does not know this producer and the sequence is not 0.","action":"Get a new producer epoch and decide what to send again."},
  {"number":45,"name":"PRODUCER_FENCED","retriable":false,"maybeApplied":false,"category":"FENCED","text":"A newer epoch of this producer has written.","action":"Stop: another process has taken over this producer id."},
  {"number":46,"name":"DUPLICATE_SEQUENCE","retriable":false,"maybeApplied":true,"category":"DUPLICATE","text":"The batch was stored before, too long ago for its offset to be known.","action":"Take it as stored."},
  {"number":50,"name":"STORAGE_UNAVAILABLE","retriable":true,"maybeApplied":true,"category":"STORAGE","text":"The disk takes no writes now: it is full, read-only or out of file handles.","action":"Free space or mend the cause that the message names; writes go on by themselves."},
  {"number":51,"name":"STORAGE_FAILED","retriable":false,"maybeApplied":true,"category":"STORAGE","text":"A write or sync of this partition failed; it refuses writes until the broker restarts.","action":"Check the disk, then restart the broker."},
  {"number":60,"name":"UNKNOWN_MEMBER","retriable":true,"maybeApplied":false,"category":"REBALANCE","text":"The group does not know this member: its session ran out or the broker restarted.","action":"Join the group again."},
  {"number":61,"name":"STALE_GENERATION","retriable":true,"maybeApplied":false,"category":"REBALANCE","text":"The group has moved on to a newer generation.","action":"Send a heartbeat, take over the assignment, commit only what is still assigned."},
  {"number":62,"name":"PARTITION_NOT_OWNED","retriable":false,"maybeApplied":false,"category":"REBALANCE","text":"The partition is not assigned to this member.","action":"Stop work on it; its new owner goes on from the last committed offset."},
  {"number":63,"name":"INSTANCE_FENCED","retriable":false,"maybeApplied":false,"category":"FENCED","text":"Another member has joined with the same instance id.","action":"Give each process its own instance id."},
  {"number":64,"name":"UNKNOWN_GROUP","retriable":false,"maybeApplied":false,"category":"UNKNOWN_GROUP","text":"There is no group of this name.","action":"Check the name with sluice group list."},
  {"number":65,"name":"GROUP_NOT_EMPTY","retriable":false,"maybeApplied":false,"category":"INVALID","text":"The group has members.","action":"Stop its consumers first."},
  {"number":66,"name":"INCONSISTENT_ASSIGNOR","retriable":false,"maybeApplied":false,"category":"INVALID","text":"The group uses another assignor.","action":"Use the same assignor in all members."},
  {"number":70,"name":"UNKNOWN_SESSION","retriable":false,"maybeApplied":false,"category":"LEASE","text":"The session is not open on this connection, or its token is wrong.","action":"Open it with its id and token; where that is refused, begin a new one: the leases of the old one are over."},
  {"number":71,"name":"NOT_A_QUEUE","retriable":false,"maybeApplied":false,"category":"INVALID","text":"The topic is not a queue, or has no queue group of that name, and the request needs one.","action":"Use a topic that was created as a queue, and its own group, named by the empty string; read a stream with a stream group."},
  {"number":72,"name":"KEY_REQUIRED","retriable":false,"maybeApplied":false,"category":"INVALID","text":"The queue keeps the order of keys and a record of the batch has no lane.","action":"Give every record a key, or set keyless of the queue to unordered. A client puts the lane of each key into the extras of the batch."},
  {"number":73,"name":"INVALID_RECORD_OPTIONS","retriable":false,"maybeApplied":false,"category":"INVALID","text":"An option of a record is out of range, or contradicts another: delay, time to live, priority or dedup id; or the batch is encrypted, which queues cannot take.","action":"The message names the record, the option and its range. Nothing of the batch was stored."},
  {"number":74,"name":"UNKNOWN_REDRIVE","retriable":false,"maybeApplied":false,"category":"INVALID","text":"There is no redrive of this id.","action":"List the redrives; those that ended long ago are forgotten."},
]
