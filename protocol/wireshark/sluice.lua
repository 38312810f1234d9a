-- Wireshark dissector for the Sluice protocol.
--
--   tshark -X lua_script:sluice.lua -r capture.pcap -d tcp.port==7400,sluice -V
--   or copy it into the personal Lua plugin folder (Help, About Wireshark, Folders).
--
-- It shows frames, every message body field by field, and record batches with their records where those are not
-- compressed. Port 7400 is known; for others use Decode As.
--
-- The walk over a body follows the Avro schemas below, so it knows every message. Whatever does not add up is shown
-- as malformed, never as a Lua error.

-- generated: apis, errors and schemas; by npm run generate
local APIS = {
  [1] = "hello",
  [3] = "metadata",
  [4] = "produce",
  [5] = "fetch",
  [6] = "listOffsets",
  [7] = "initProducer",
  [10] = "createTopics",
  [11] = "deleteTopics",
  [12] = "alterTopics",
  [13] = "listTopics",
  [14] = "describeTopics",
  [15] = "deleteRecords",
  [20] = "joinGroup",
  [21] = "heartbeatGroup",
  [22] = "leaveGroup",
  [23] = "commitOffsets",
  [24] = "fetchOffsets",
  [25] = "describeGroups",
  [26] = "listGroups",
  [27] = "deleteGroups",
  [30] = "describeBroker",
  [31] = "goAway",
  [40] = "openSession",
  [41] = "heartbeatSession",
  [42] = "closeSession",
  [43] = "receive",
  [44] = "settle",
  [45] = "cancelRecords",
  [46] = "rescheduleRecords",
  [47] = "explainRecords",
  [48] = "queueStats",
  [49] = "peekRecords",
  [50] = "controlQueue",
  [51] = "startRedrive",
  [52] = "describeRedrives",
  [53] = "cancelRedrive",
  [54] = "describeCluster",
  [55] = "changePlacement",
  [56] = "forceRecover",
  [57] = "moveReplicas",
  [60] = "peerHello",
  [61] = "replicate",
  [62] = "storeDeadLetter",
  [63] = "findRedriven",
  [64] = "appendRedriven",
}
local ERRORS = {
  [0] = "NONE",
  [1] = "INTERNAL",
  [2] = "MALFORMED_FRAME",
  [3] = "FRAME_TOO_LARGE",
  [4] = "UNKNOWN_API",
  [5] = "UNSUPPORTED_VERSION",
  [6] = "HELLO_REQUIRED",
  [7] = "INVALID_REQUEST",
  [8] = "SHUTTING_DOWN",
  [9] = "REQUEST_TIMED_OUT",
  [10] = "BUSY",
  [11] = "AUTHENTICATION_FAILED",
  [12] = "NOT_AUTHORIZED",
  [13] = "QUOTA_EXCEEDED",
  [20] = "UNKNOWN_TOPIC",
  [21] = "UNKNOWN_PARTITION",
  [22] = "TOPIC_EXISTS",
  [23] = "INVALID_TOPIC_NAME",
  [24] = "INVALID_CONFIG",
  [25] = "INVALID_PARTITIONS",
  [26] = "INVALID_REPLICATION",
  [27] = "NOT_LEADER",
  [28] = "LEADER_NOT_AVAILABLE",
  [29] = "FENCED_EPOCH",
  [30] = "NOT_ENOUGH_REPLICAS",
  [31] = "OFFSET_OUT_OF_RANGE",
  [32] = "OFFSET_NOT_AVAILABLE",
  [33] = "OFFSET_TRUNCATED",
  [34] = "CORRUPT_DATA",
  [35] = "OUTCOME_UNKNOWN",
  [40] = "INVALID_BATCH",
  [41] = "RECORD_TOO_LARGE",
  [42] = "UNSUPPORTED_CODEC",
  [43] = "OUT_OF_ORDER_SEQUENCE",
  [44] = "UNKNOWN_PRODUCER",
  [45] = "PRODUCER_FENCED",
  [46] = "DUPLICATE_SEQUENCE",
  [50] = "STORAGE_UNAVAILABLE",
  [51] = "STORAGE_FAILED",
  [60] = "UNKNOWN_MEMBER",
  [61] = "STALE_GENERATION",
  [62] = "PARTITION_NOT_OWNED",
  [63] = "INSTANCE_FENCED",
  [64] = "UNKNOWN_GROUP",
  [65] = "GROUP_NOT_EMPTY",
  [66] = "INCONSISTENT_ASSIGNOR",
  [70] = "UNKNOWN_SESSION",
  [71] = "NOT_A_QUEUE",
  [72] = "KEY_REQUIRED",
  [73] = "INVALID_RECORD_OPTIONS",
  [74] = "UNKNOWN_REDRIVE",
}
local BATCH = {
  baseOffset = 0,
  size = 8,
  leaderEpoch = 12,
  committedOffset = 16,
  prevCrc = 24,
  headerCrc = 28,
  crc = 32,
  magic = 36,
  codec = 37,
  flags = 38,
  recordCount = 40,
  lastOffsetDelta = 44,
  firstTimestamp = 48,
  maxTimestamp = 56,
  producerId = 64,
  baseSequence = 72,
  producerEpoch = 76,
  reserved = 78,
  extrasSize = 80,
}
local SCHEMAS = {
  ["alterTopics.v1.request"] = { record = { { "timeoutMs", "int" }, { "validateOnly", "boolean" }, { "topics", { array = { record = { { "name", "string" }, { "partitions", "int" }, { "replicationFactor", "int" }, { "set", { map = "string" } }, { "unset", { array = "string" } } } } } } } },
  ["alterTopics.v1.response"] = { record = { { "topics", { array = { record = { { "name", "string" }, { "error", "int" }, { "message", "string" }, { "moves", { array = { record = { { "partition", "int" }, { "from", { array = "int" } }, { "to", { array = "int" } } } } } } } } } } } },
  ["appendRedriven.v1.request"] = { record = { { "redriveId", "string" }, { "term", "int" }, { "ask", "long" }, { "topicId", "string" }, { "partition", "int" }, { "leaderEpoch", "int" } } },
  ["appendRedriven.v1.response"] = { record = { { "baseOffset", "long" } } },
  ["cancelRecords.v1.request"] = { record = { { "timeoutMs", "int" }, { "targets", { array = { record = { { "topicId", "string" }, { "partition", "int" }, { "group", "string" }, { "offset", "long" }, { "dedupId", { union = { "null", "string" } } } } } } } } },
  ["cancelRecords.v1.response"] = { record = { { "results", { array = { record = { { "error", "int" }, { "message", "string" }, { "answer", { enum = { "ok", "requested", "leased", "alreadyTerminal", "unknown", "busy" } } }, { "offset", "long" } } } } } } },
  ["cancelRedrive.v1.request"] = { record = { { "redriveId", "string" } } },
  ["cancelRedrive.v1.response"] = { record = { { "state", { enum = { "running", "done", "cancelled", "failed" } } }, { "moved", "long" } } },
  ["changePlacement.v1.request"] = { record = { { "action", { enum = { "rebalance", "leaders", "drain", "undrain", "cancel" } } }, { "brokerId", "int" }, { "dryRun", "boolean" } } },
  ["changePlacement.v1.response"] = { record = { { "error", "int" }, { "message", "string" }, { "moves", { array = { record = { { "topic", "string" }, { "partition", "int" }, { "from", { array = "int" } }, { "to", { array = "int" } } } } } }, { "copies", "int" }, { "copiesLeast", "int" }, { "leaderChanges", "int" } } },
  ["closeSession.v1.request"] = { record = { { "sessionId", "long" } } },
  ["closeSession.v1.response"] = { record = {  } },
  ["commitOffsets.v1.request"] = { record = { { "group", "string" }, { "memberId", "string" }, { "generation", "int" }, { "offsets", { array = { record = { { "topicId", "string" }, { "partition", "int" }, { "offset", "long" }, { "leaderEpoch", "int" }, { "metadata", { union = { "null", "string" } } } } } } } } },
  ["commitOffsets.v1.response"] = { record = { { "results", { array = { record = { { "topicId", "string" }, { "partition", "int" }, { "error", "int" }, { "message", "string" } } } } } } },
  ["controlQueue.v1.request"] = { record = { { "timeoutMs", "int" }, { "action", { enum = { "pause", "resume", "purge", "resumeKey", "skipKey" } } }, { "lane", "long" }, { "partitions", { array = { record = { { "topicId", "string" }, { "partition", "int" }, { "group", "string" } } } } } } },
  ["controlQueue.v1.response"] = { record = { { "results", { array = { record = { { "partition", "int" }, { "error", "int" }, { "message", "string" }, { "changed", "boolean" }, { "records", "long" } } } } } } },
  ["createTopics.v1.request"] = { record = { { "timeoutMs", "int" }, { "validateOnly", "boolean" }, { "topics", { array = { record = { { "name", "string" }, { "kind", { enum = { "stream", "queue" } } }, { "partitions", "int" }, { "replicationFactor", "int" }, { "config", { map = "string" } } } } } } } },
  ["createTopics.v1.response"] = { record = { { "topics", { array = { record = { { "name", "string" }, { "error", "int" }, { "message", "string" }, { "topicId", "string" }, { "partitions", "int" }, { "replicationFactor", "int" } } } } } } },
  ["deleteGroups.v1.request"] = { record = { { "groups", { array = "string" } } } },
  ["deleteGroups.v1.response"] = { record = { { "groups", { array = { record = { { "group", "string" }, { "error", "int" }, { "message", "string" } } } } } } },
  ["deleteRecords.v1.request"] = { record = { { "timeoutMs", "int" }, { "partitions", { array = { record = { { "topicId", "string" }, { "partition", "int" }, { "beforeOffset", "long" } } } } } } },
  ["deleteRecords.v1.response"] = { record = { { "partitions", { array = { record = { { "topicId", "string" }, { "partition", "int" }, { "error", "int" }, { "message", "string" }, { "logStartOffset", "long" } } } } } } },
  ["deleteTopics.v1.request"] = { record = { { "timeoutMs", "int" }, { "names", { array = "string" } } } },
  ["deleteTopics.v1.response"] = { record = { { "topics", { array = { record = { { "name", "string" }, { "error", "int" }, { "message", "string" } } } } } } },
  ["describeBroker.v1.request"] = { record = {  } },
  ["describeBroker.v1.response"] = { record = { { "brokerId", "int" }, { "clusterId", "string" }, { "version", "string" }, { "startedAt", "long" }, { "config", { array = { record = { { "name", "string" }, { "value", "string" }, { "source", { enum = { "default", "file", "environment", "flag" } } } } } } }, { "topics", "int" }, { "partitions", "int" }, { "failedPartitions", "int" }, { "connections", "int" }, { "dataBytes", "long" }, { "diskFreeBytes", "long" }, { "diskTotalBytes", "long" }, { "rssBytes", "long" }, { "eventLoopDelayP99Us", "long" } } },
  ["describeCluster.v1.request"] = { record = {  } },
  ["describeCluster.v1.response"] = { record = { { "clusterId", "string" }, { "controllerId", "int" }, { "brokers", { array = { record = { { "brokerId", "int" }, { "host", "string" }, { "port", "int" }, { "rack", { union = { "null", "string" } } }, { "capacity", "int" }, { "version", "string" }, { "startedAt", "long" }, { "state", { enum = { "online", "impaired", "suspected", "gone" } } }, { "draining", "boolean" }, { "replicas", "int" }, { "leaders", "int" }, { "learners", "int" }, { "ringSharePermille", "int" } } } } }, { "topics", "int" }, { "partitions", "int" }, { "leaderless", "int" }, { "underReplicated", "int" }, { "moves", { array = { record = { { "topic", "string" }, { "partition", "int" }, { "from", { array = "int" } }, { "to", { array = "int" } }, { "state", { enum = { "waiting", "copying" } } } } } } }, { "troubles", { array = { record = { { "topic", "string" }, { "partition", "int" }, { "state", { enum = { "overtaken", "blocked", "recovering", "leaderless", "repairing" } } }, { "epoch", "int" }, { "leader", "int" }, { "waitsFor", { array = "int" } }, { "untrusted", { array = "int" } } } } } }, { "losses", { array = { record = { { "topic", "string" }, { "partition", "int" }, { "epoch", "int" }, { "at", "long" }, { "fromOffset", "long" }, { "givenUp", { array = "int" } } } } } } } },
  ["describeGroups.v1.request"] = { record = { { "groups", { array = "string" } } } },
  ["describeGroups.v1.response"] = { record = { { "groups", { array = { record = { { "group", "string" }, { "error", "int" }, { "message", "string" }, { "state", { enum = { "empty", "rebalancing", "stable" } } }, { "generation", "int" }, { "assignor", "string" }, { "members", { array = { record = { { "memberId", "string" }, { "instanceId", { union = { "null", "string" } } }, { "clientName", "string" }, { "clientAddress", "string" }, { "topics", { array = "string" } }, { "assigned", { array = { record = { { "topic", "string" }, { "topicId", "string" }, { "partitions", { array = "int" } } } } } }, { "sessionTimeoutMs", "int" }, { "lastHeartbeatAgoMs", "int" } } } } } } } } } } },
  ["describeRedrives.v1.request"] = { record = { { "redriveIds", { array = "string" } } } },
  ["describeRedrives.v1.response"] = { record = { { "redrives", { array = { record = { { "error", "int" }, { "message", "string" }, { "redriveId", "string" }, { "state", { enum = { "running", "done", "cancelled", "failed" } } }, { "startedAt", "long" }, { "endedAt", "long" }, { "startedBy", "string" }, { "examined", "long" }, { "matched", "long" }, { "moved", "long" }, { "sourceTopicId", "string" }, { "partitions", { array = "int" } }, { "targetTopicId", "string" }, { "lane", "long" }, { "reasons", { array = { enum = { "none", "nack", "timeout", "disconnect", "reject", "exhausted", "quarantine", "ttl" } } } }, { "fromTimestamp", "long" }, { "toTimestamp", "long" }, { "headerName", { union = { "null", "string" } } }, { "headerValue", { union = { "null", "string" } } }, { "limit", "long" }, { "recordsPerSecond", "int" }, { "dryRun", "boolean" } } } } } } },
  ["describeTopics.v1.request"] = { record = { { "names", { union = { "null", { array = "string" } } } } } },
  ["describeTopics.v1.response"] = { record = { { "topics", { array = { record = { { "name", "string" }, { "error", "int" }, { "message", "string" }, { "topicId", "string" }, { "kind", { enum = { "stream", "queue" } } }, { "createdAt", "long" }, { "replicationFactor", "int" }, { "config", { array = { record = { { "name", "string" }, { "value", "string" }, { "source", { enum = { "default", "broker", "topic" } } } } } } }, { "partitions", { array = { record = { { "partition", "int" }, { "leader", "int" }, { "leaderEpoch", "int" }, { "replicas", { array = "int" } }, { "logStartOffset", "long" }, { "highWatermark", "long" }, { "nextOffset", "long" }, { "sizeBytes", "long" }, { "segments", "int" }, { "state", { enum = { "online", "readOnly", "failed", "offline" } } }, { "stateReason", "string" }, { "quarantined", { array = { record = { { "from", "long" }, { "to", "long" } } } } } } } } } } } } } } },
  ["error.v1.response"] = { record = { { "code", "int" }, { "message", "string" }, { "retryAfterMs", "int" } } },
  ["explainRecords.v1.request"] = { record = { { "targets", { array = { record = { { "topicId", "string" }, { "partition", "int" }, { "group", "string" }, { "offset", "long" }, { "lane", "long" }, { "dedupId", { union = { "null", "string" } } } } } } } } },
  ["explainRecords.v1.response"] = { record = { { "results", { array = { record = { { "error", "int" }, { "message", "string" }, { "offset", "long" }, { "state", { enum = { "unknown", "aboveHighWatermark", "fresh", "ready", "leased", "delayed", "blocked", "rateLimited", "held", "quarantined", "deadLetterPending", "terminal" } } }, { "cause", { enum = { "unknown", "acknowledged", "cancelled", "expired", "dead", "archived", "purged", "duplicate", "damaged" } } }, { "failures", "int" }, { "maxAttempts", "int" }, { "deliveries", "int" }, { "timeLeftMs", "long" }, { "sessionId", "long" }, { "clientName", "string" }, { "clientAddress", "string" }, { "cancelRequested", "boolean" }, { "lane", "long" }, { "behindOffset", "long" }, { "recordsBefore", "long" }, { "paused", "boolean" }, { "atMaxInFlight", "boolean" }, { "reason", { enum = { "none", "nack", "timeout", "disconnect", "reject", "exhausted", "quarantine", "ttl" } } }, { "reasonText", "string" }, { "deadLetter", { union = { "null", { record = { { "topicId", "string" }, { "partition", "int" }, { "offset", "long" } } } } } }, { "damaged", "boolean" } } } } } } },
  ["fetch.v1.request"] = { record = { { "maxWaitMs", "int" }, { "minBytes", "int" }, { "maxBytes", "int" }, { "partitions", { array = { record = { { "topicId", "string" }, { "partition", "int" }, { "offset", "long" }, { "lastEpoch", "int" }, { "maxBytes", "int" } } } } } } },
  ["fetch.v1.response"] = { record = { { "throttleMs", "int" }, { "partitions", { array = { record = { { "topicId", "string" }, { "partition", "int" }, { "error", "int" }, { "message", "string" }, { "highWatermark", "long" }, { "logStartOffset", "long" }, { "leader", "int" }, { "leaderEpoch", "int" }, { "resumeOffset", "long" }, { "size", "int" } } } } } } },
  ["fetchOffsets.v1.request"] = { record = { { "group", "string" }, { "partitions", { union = { "null", { array = { record = { { "topicId", "string" }, { "partition", "int" } } } } } } } } },
  ["fetchOffsets.v1.response"] = { record = { { "offsets", { array = { record = { { "topic", "string" }, { "topicId", "string" }, { "partition", "int" }, { "error", "int" }, { "message", "string" }, { "offset", "long" }, { "leaderEpoch", "int" }, { "metadata", { union = { "null", "string" } } }, { "committedAt", "long" } } } } } } },
  ["findRedriven.v1.request"] = { record = { { "redriveId", "string" }, { "term", "int" }, { "ask", "long" }, { "topicId", "string" }, { "partition", "int" }, { "fromOffset", "long" } } },
  ["findRedriven.v1.response"] = { record = { { "leaderEpoch", "int" }, { "endOffset", "long" }, { "sequences", { array = "long" } } } },
  ["forceRecover.v1.request"] = { record = { { "topic", "string" }, { "partition", "int" }, { "survivors", { array = "int" } }, { "dryRun", "boolean" } } },
  ["forceRecover.v1.response"] = { record = { { "error", "int" }, { "message", "string" }, { "epoch", "int" }, { "leader", "int" }, { "givenUp", { array = "int" } } } },
  ["goAway.v1.notice"] = { record = { { "reason", "string" }, { "closesInMs", "int" } } },
  ["heartbeatGroup.v1.request"] = { record = { { "group", "string" }, { "memberId", "string" }, { "generation", "int" }, { "maxWaitMs", "int" }, { "owned", { array = { record = { { "topicId", "string" }, { "partitions", { array = "int" } } } } } } } },
  ["heartbeatGroup.v1.response"] = { record = { { "generation", "int" }, { "heartbeatIntervalMs", "int" }, { "assigned", { array = { record = { { "topic", "string" }, { "topicId", "string" }, { "partitions", { array = "int" } } } } } } } },
  ["heartbeatSession.v1.request"] = { record = { { "sessionId", "long" } } },
  ["heartbeatSession.v1.response"] = { record = { { "heartbeatMs", "int" }, { "notices", { array = { record = { { "topicId", "string" }, { "partition", "int" }, { "group", "string" }, { "kind", { enum = { "cancelRequested", "lost", "sessionLost" } } }, { "offset", "long" }, { "leaseEpoch", "int" }, { "leaseSequence", "long" } } } } }, { "more", "boolean" } } },
  ["hello.v1.request"] = { record = { { "clientName", "string" }, { "clientVersion", "string" }, { "apis", { array = { record = { { "api", "int" }, { "minVersion", "int" }, { "maxVersion", "int" } } } } }, { "features", "long" }, { "mechanism", { union = { "null", "string" } } } } },
  ["hello.v1.response"] = { record = { { "clusterId", "string" }, { "brokerId", "int" }, { "brokerVersion", "string" }, { "apis", { array = { record = { { "api", "int" }, { "name", "string" }, { "minVersion", "int" }, { "maxVersion", "int" } } } } }, { "features", "long" }, { "mechanisms", { array = "string" } }, { "maxFrameBytes", "int" }, { "maxRecordBatchBytes", "int" }, { "maxInFlightRequests", "int" }, { "maxInFlightBytes", "int" }, { "rememberedBatches", "int" }, { "maxRecordsPerReceive", "int" }, { "maxRecordsPerSettle", "int" }, { "maxItemsPerRequest", "int" }, { "timeMs", "long" } } },
  ["initProducer.v1.request"] = { record = { { "producerId", "long" }, { "producerEpoch", "int" } } },
  ["initProducer.v1.response"] = { record = { { "producerId", "long" }, { "producerEpoch", "int" } } },
  ["joinGroup.v1.request"] = { record = { { "group", "string" }, { "memberId", "string" }, { "instanceId", { union = { "null", "string" } } }, { "topics", { array = "string" } }, { "assignor", "string" }, { "sessionTimeoutMs", "int" }, { "rebalanceTimeoutMs", "int" }, { "generation", "int" }, { "owned", { array = { record = { { "topicId", "string" }, { "partitions", { array = "int" } } } } } } } },
  ["joinGroup.v1.response"] = { record = { { "memberId", "string" }, { "generation", "int" }, { "assignor", "string" }, { "heartbeatIntervalMs", "int" }, { "assigned", { array = { record = { { "topic", "string" }, { "topicId", "string" }, { "partitions", { array = "int" } } } } } } } },
  ["leaveGroup.v1.request"] = { record = { { "group", "string" }, { "memberId", "string" } } },
  ["leaveGroup.v1.response"] = { record = {  } },
  ["listGroups.v1.request"] = { record = {  } },
  ["listGroups.v1.response"] = { record = { { "groups", { array = { record = { { "group", "string" }, { "state", { enum = { "empty", "rebalancing", "stable" } } }, { "members", "int" } } } } } } },
  ["listOffsets.v1.request"] = { record = { { "timeoutMs", "int" }, { "partitions", { array = { record = { { "topicId", "string" }, { "partition", "int" }, { "position", { enum = { "earliest", "latest", "timestamp" } } }, { "timestamp", "long" } } } } } } },
  ["listOffsets.v1.response"] = { record = { { "partitions", { array = { record = { { "topicId", "string" }, { "partition", "int" }, { "error", "int" }, { "message", "string" }, { "offset", "long" }, { "timestamp", "long" }, { "leaderEpoch", "int" } } } } } } },
  ["listTopics.v1.request"] = { record = {  } },
  ["listTopics.v1.response"] = { record = { { "topics", { array = { record = { { "name", "string" }, { "topicId", "string" }, { "kind", { enum = { "stream", "queue" } } }, { "partitions", "int" }, { "replicationFactor", "int" } } } } } } },
  ["metadata.v1.request"] = { record = { { "topics", { union = { "null", { array = "string" } } } } } },
  ["metadata.v1.response"] = { record = { { "clusterId", "string" }, { "controllerId", "int" }, { "timeMs", "long" }, { "brokers", { array = { record = { { "brokerId", "int" }, { "host", "string" }, { "port", "int" }, { "rack", { union = { "null", "string" } } } } } } }, { "topics", { array = { record = { { "error", "int" }, { "message", "string" }, { "name", "string" }, { "topicId", "string" }, { "kind", { enum = { "stream", "queue" } } }, { "partitions", { array = { record = { { "partition", "int" }, { "leader", "int" }, { "leaderEpoch", "int" }, { "replicas", { array = "int" } } } } } } } } } } } },
  ["moveReplicas.v1.request"] = { record = { { "topic", "string" }, { "partition", "int" }, { "replicas", { array = "int" } }, { "dryRun", "boolean" } } },
  ["moveReplicas.v1.response"] = { record = { { "error", "int" }, { "message", "string" }, { "from", { array = "int" } }, { "to", { array = "int" } } } },
  ["openSession.v1.request"] = { record = { { "sessionId", "long" }, { "token", "string" }, { "clientName", "string" }, { "leases", { enum = { "visibility", "session", "started" } } } } },
  ["openSession.v1.response"] = { record = { { "sessionId", "long" }, { "token", "string" }, { "heartbeatMs", "int" } } },
  ["peekRecords.v1.request"] = { record = { { "topicId", "string" }, { "partition", "int" }, { "group", "string" }, { "fromOffset", "long" }, { "maxRecords", "int" }, { "maxBytes", "int" }, { "states", { array = { enum = { "unknown", "aboveHighWatermark", "fresh", "ready", "leased", "delayed", "blocked", "rateLimited", "held", "quarantined", "deadLetterPending", "terminal" } } } } } },
  ["peekRecords.v1.response"] = { record = { { "records", { array = { record = { { "offset", "long" }, { "state", { enum = { "unknown", "aboveHighWatermark", "fresh", "ready", "leased", "delayed", "blocked", "rateLimited", "held", "quarantined", "deadLetterPending", "terminal" } } }, { "failures", "int" }, { "deliveries", "int" }, { "timeLeftMs", "long" }, { "sessionId", "long" }, { "damaged", "boolean" } } } } }, { "nextOffset", "long" }, { "size", "int" } } },
  ["peerHello.v1.request"] = { record = { { "clusterId", "string" }, { "brokerId", "int" }, { "incarnation", "string" }, { "targetId", "int" } } },
  ["peerHello.v1.response"] = { record = { { "brokerId", "int" }, { "incarnation", "string" } } },
  ["produce.v1.request"] = { record = { { "acks", { enum = { "none", "leader", "quorum" } } }, { "timeoutMs", "int" }, { "batches", { array = { record = { { "topicId", "string" }, { "partition", "int" }, { "size", "int" } } } } } } },
  ["produce.v1.response"] = { record = { { "throttleMs", "int" }, { "results", { array = { record = { { "partition", "int" }, { "error", "int" }, { "message", "string" }, { "baseOffset", "long" }, { "logStartOffset", "long" }, { "duplicate", "boolean" }, { "leader", "int" }, { "leaderEpoch", "int" }, { "duplicateRecords", { array = { record = { { "index", "int" }, { "offset", "long" }, { "state", { enum = { "unknown", "aboveHighWatermark", "fresh", "ready", "leased", "delayed", "blocked", "rateLimited", "held", "quarantined", "deadLetterPending", "terminal" } } } } } } } } } } } } },
  ["queueStats.v1.request"] = { record = { { "partitions", { array = { record = { { "topicId", "string" }, { "partition", "int" }, { "group", "string" } } } } } } },
  ["queueStats.v1.response"] = { record = { { "partitions", { array = { record = { { "topicId", "string" }, { "partition", "int" }, { "group", "string" }, { "error", "int" }, { "message", "string" }, { "floor", "long" }, { "nextOffset", "long" }, { "highWatermark", "long" }, { "ready", "long" }, { "leased", "long" }, { "delayed", "long" }, { "blocked", "long" }, { "deadLetterPending", "long" }, { "fresh", "long" }, { "acknowledged", "long" }, { "cancelled", "long" }, { "expired", "long" }, { "dead", "long" }, { "archived", "long" }, { "purged", "long" }, { "duplicates", "long" }, { "damaged", "long" }, { "oldestFreshAgeMs", "long" }, { "oldestReadyAgeMs", "long" }, { "oldestLeasedAgeMs", "long" }, { "oldestDelayedAgeMs", "long" }, { "oldestBlockedAgeMs", "long" }, { "oldestDeadLetterPendingAgeMs", "long" }, { "oldestOutstandingOffset", "long" }, { "busyLanes", "long" }, { "stoppedLanes", "long" }, { "stopped", { array = { record = { { "lane", "long" }, { "state", { enum = { "unknown", "aboveHighWatermark", "fresh", "ready", "leased", "delayed", "blocked", "rateLimited", "held", "quarantined", "deadLetterPending", "terminal" } } }, { "offset", "long" } } } } }, { "sessions", "int" }, { "paused", "boolean" } } } } } } },
  ["receive.v1.request"] = { record = { { "sessionId", "long" }, { "maxRecords", "int" }, { "maxBytes", "int" }, { "maxWaitMs", "int" }, { "partitions", { array = { record = { { "topicId", "string" }, { "partition", "int" }, { "group", "string" } } } } } } },
  ["receive.v1.response"] = { record = { { "heartbeatMs", "int" }, { "partitions", { array = { record = { { "topicId", "string" }, { "partition", "int" }, { "group", "string" }, { "error", "int" }, { "message", "string" }, { "leader", "int" }, { "leaderEpoch", "int" }, { "leaseEpoch", "int" }, { "visibilityMs", "int" }, { "disconnectGraceMs", "int" }, { "leases", { array = { record = { { "offset", "long" }, { "count", "int" }, { "leaseSequence", "long" }, { "deliveries", "int" } } } } }, { "size", "int" } } } } } } },
  ["replicate.v1.request"] = { record = { { "newEpochs", { array = { record = { { "topicId", "string" }, { "partition", "int" }, { "epoch", "int" }, { "storeId", "string" } } } } }, { "promises", { array = { record = { { "topicId", "string" }, { "partition", "int" }, { "epoch", "int" }, { "storeId", "string" }, { "trusted", "boolean" }, { "logs", { array = { record = { { "startOffset", "long" }, { "endOffset", "long" }, { "lastEpoch", "int" }, { "lastCrc", "long" }, { "epochs", { array = { record = { { "epoch", "int" }, { "startOffset", "long" } } } } }, { "damagedFrom", "long" }, { "owedEpoch", "int" }, { "owedOffset", "long" } } } } } } } } }, { "fences", { array = { record = { { "topicId", "string" }, { "partition", "int" }, { "epoch", "int" } } } } }, { "pulls", { array = { record = { { "topicId", "string" }, { "partition", "int" }, { "epoch", "int" }, { "log", "int" }, { "offset", "long" } } } } }, { "pulled", { array = { record = { { "topicId", "string" }, { "partition", "int" }, { "epoch", "int" }, { "log", "int" }, { "offset", "long" }, { "size", "int" } } } } }, { "beginEpochs", { array = { record = { { "topicId", "string" }, { "partition", "int" }, { "epoch", "int" }, { "storeId", "string" } } } } }, { "fetches", { array = { record = { { "topicId", "string" }, { "partition", "int" }, { "epoch", "int" }, { "storeId", "string" }, { "sequence", "long" }, { "probe", "long" }, { "positions", { array = { record = { { "offset", "long" }, { "lastEpoch", "int" }, { "empty", "boolean" }, { "durableOffset", "long" } } } } } } } } }, { "fetched", { array = { record = { { "topicId", "string" }, { "partition", "int" }, { "epoch", "int" }, { "sequence", "long" }, { "probe", "long" }, { "parts", { array = { record = { { "kind", { enum = { "records", "diverge", "restart" } } }, { "offset", "long" }, { "lastEpoch", "int" }, { "highWatermark", "long" }, { "startOffset", "long" }, { "endOffset", "long" }, { "epoch", "int" }, { "prevCrc", "long" }, { "size", "int" } } } } } } } } }, { "acks", { array = { record = { { "topicId", "string" }, { "partition", "int" }, { "epoch", "int" }, { "storeId", "string" }, { "durableOffsets", { array = "long" } } } } } } } },
  ["rescheduleRecords.v1.request"] = { record = { { "timeoutMs", "int" }, { "targets", { array = { record = { { "topicId", "string" }, { "partition", "int" }, { "group", "string" }, { "offset", "long" }, { "dedupId", { union = { "null", "string" } } }, { "delayMs", "long" }, { "notBefore", "long" } } } } } } },
  ["rescheduleRecords.v1.response"] = { record = { { "results", { array = { record = { { "error", "int" }, { "message", "string" }, { "answer", { enum = { "ok", "requested", "leased", "alreadyTerminal", "unknown", "busy" } } }, { "offset", "long" }, { "notBefore", "long" } } } } } } },
  ["settle.v1.request"] = { record = { { "acks", { enum = { "none", "leader", "quorum" } } }, { "timeoutMs", "int" }, { "partitions", { array = { record = { { "topicId", "string" }, { "partition", "int" }, { "group", "string" }, { "items", { array = { record = { { "kind", { enum = { "ack", "nack", "release", "reject", "extend", "start" } } }, { "offset", "long" }, { "count", "int" }, { "leaseEpoch", "int" }, { "leaseSequence", "long" }, { "delayMs", "long" }, { "reason", "string" } } } } } } } } } } },
  ["settle.v1.response"] = { record = { { "results", { array = { record = { { "partition", "int" }, { "error", "int" }, { "message", "string" }, { "answers", { array = { record = { { "count", "int" }, { "answer", { enum = { "ok", "lateOk", "alreadySettled", "staleLease", "unknown", "outOfOrder", "busy" } } } } } } } } } } } } },
  ["startRedrive.v1.request"] = { record = { { "sourceTopicId", "string" }, { "partitions", { array = "int" } }, { "targetTopicId", "string" }, { "lane", "long" }, { "reasons", { array = { enum = { "none", "nack", "timeout", "disconnect", "reject", "exhausted", "quarantine", "ttl" } } } }, { "fromTimestamp", "long" }, { "toTimestamp", "long" }, { "headerName", { union = { "null", "string" } } }, { "headerValue", { union = { "null", "string" } } }, { "limit", "long" }, { "recordsPerSecond", "int" }, { "dryRun", "boolean" } } },
  ["startRedrive.v1.response"] = { record = { { "redriveId", "string" } } },
  ["storeDeadLetter.v1.request"] = { record = { { "topicId", "string" }, { "partition", "int" }, { "sourceTopicId", "string" }, { "sourcePartition", "int" }, { "group", "string" }, { "offset", "long" }, { "sourceEpoch", "int" }, { "ask", "long" }, { "firstEpoch", "int" }, { "diedAt", "long" }, { "forget", { array = "long" } } } },
  ["storeDeadLetter.v1.response"] = { record = { { "offset", "long" } } },
}
-- end

local FRAME_HEADER_BYTES = 16
local BATCH_HEADER_BYTES = 84
local CODECS = { [0] = "none", "gzip", "brotli", "lz4", "zstd" }

local sluice = Proto("sluice", "Sluice Protocol")
local field = {
  size = ProtoField.uint32("sluice.size", "Size"),
  api = ProtoField.uint16("sluice.api", "Api", base.DEC, APIS),
  version = ProtoField.uint8("sluice.version", "Version"),
  flags = ProtoField.uint8("sluice.flags", "Flags", base.HEX),
  response = ProtoField.bool("sluice.flags.response", "Response", 8, nil, 0x01),
  unordered = ProtoField.bool("sluice.flags.unordered", "Unordered", 8, nil, 0x02),
  error = ProtoField.bool("sluice.flags.error", "Error", 8, nil, 0x04),
  notice = ProtoField.bool("sluice.flags.notice", "Notice", 8, nil, 0x08),
  correlation = ProtoField.uint32("sluice.correlation", "Correlation"),
  body_size = ProtoField.uint32("sluice.body_size", "Body size"),
  message = ProtoField.string("sluice.message", "Message"),
  value = ProtoField.string("sluice.value", "Value"),
  error_code = ProtoField.int32("sluice.error", "Error", base.DEC, ERRORS),
  base_offset = ProtoField.int64("sluice.batch.base_offset", "Base offset"),
  batch_size = ProtoField.uint32("sluice.batch.size", "Size"),
  leader_epoch = ProtoField.uint32("sluice.batch.leader_epoch", "Leader epoch"),
  committed_offset = ProtoField.int64("sluice.batch.committed_offset", "Committed offset"),
  prev_crc = ProtoField.uint32("sluice.batch.prev_crc", "CRC of the batch before", base.HEX),
  header_crc = ProtoField.uint32("sluice.batch.header_crc", "Header CRC", base.HEX),
  crc = ProtoField.uint32("sluice.batch.crc", "CRC", base.HEX),
  magic = ProtoField.uint8("sluice.batch.magic", "Magic"),
  codec = ProtoField.uint8("sluice.batch.codec", "Codec", base.DEC, CODECS),
  batch_flags = ProtoField.uint16("sluice.batch.flags", "Flags", base.HEX),
  control = ProtoField.bool("sluice.batch.flags.control", "Control", 16, nil, 0x01),
  encrypted = ProtoField.bool("sluice.batch.flags.encrypted", "Encrypted", 16, nil, 0x02),
  record_count = ProtoField.uint32("sluice.batch.record_count", "Record count"),
  last_offset_delta = ProtoField.uint32("sluice.batch.last_offset_delta", "Last offset delta"),
  first_timestamp = ProtoField.int64("sluice.batch.first_timestamp", "First timestamp"),
  max_timestamp = ProtoField.int64("sluice.batch.max_timestamp", "Highest timestamp"),
  producer_id = ProtoField.int64("sluice.batch.producer_id", "Producer id"),
  base_sequence = ProtoField.int32("sluice.batch.base_sequence", "Base sequence"),
  producer_epoch = ProtoField.uint16("sluice.batch.producer_epoch", "Producer epoch"),
  extras_size = ProtoField.uint32("sluice.batch.extras_size", "Size of the extras"),
  extras_columns = ProtoField.uint16("sluice.extras.columns", "Columns", base.HEX),
  lane = ProtoField.int64("sluice.extras.lane", "Lane"),
  not_before = ProtoField.int64("sluice.extras.not_before", "Not before"),
  expires = ProtoField.int64("sluice.extras.expires", "Expires"),
  priority = ProtoField.uint8("sluice.extras.priority", "Priority"),
  dedup_key = ProtoField.bytes("sluice.extras.dedup_key", "Dedup key"),
  packed = ProtoField.bytes("sluice.batch.packed", "Compressed records"),
}
sluice.fields = field
local malformed = ProtoExpert.new("sluice.malformed", "Malformed", expert.group.MALFORMED, expert.severity.ERROR)
sluice.experts = { malformed }

-- A place in a buffer. Reading past the end raises an error, which the callers of the walks turn into "malformed".
local function take_byte (at)
  if at.position >= at.stop then error("cut off", 0) end
  local byte = at.tvb(at.position, 1):uint()
  at.position = at.position + 1
  return byte
end

local function take_varint (at)
  local value, scale = 0, 1
  for _ = 1, 8 do
    local byte = take_byte(at)
    value = value + (byte % 128) * scale
    if byte < 128 then return value end
    scale = scale * 128
  end
  error("varint is too long", 0)
end

local function unzigzag (value)
  if value % 2 == 0 then return math.floor(value / 2) end
  return -math.floor((value + 1) / 2)
end

local function take_bytes (at, size)
  if size < 0 or size > at.stop - at.position then error("longer than what is there", 0) end
  local start = at.position
  at.position = start + size
  return size == 0 and "" or at.tvb(start, size):raw()
end

local function range_since (at, start)
  return at.tvb(start, at.position - start)
end

local function printable (text)
  return (text:gsub("[\0-\31\127]", "."))
end

local walk

local function walk_items (schema, at, path, item)
  local index = 0
  while true do
    local count = unzigzag(take_varint(at))
    if count == 0 then return end
    if count < 0 or count > at.stop - at.position then error("more items than bytes", 0) end
    for _ = 1, count do
      item(schema, string.format("%s[%d]", path, index))
      index = index + 1
    end
  end
end

-- Shows the value of a schema that lies at `at`.
function walk (schema, at, tree, path)
  local start = at.position
  if type(schema) == "string" then
    local value
    if schema == "null" then
      value = "null"
    elseif schema == "boolean" then
      value = take_byte(at) == 1 and "true" or "false"
    elseif schema == "string" then
      value = printable(take_bytes(at, unzigzag(take_varint(at))))
    else
      value = unzigzag(take_varint(at))
    end
    local shown = type(value) == "number" and string.format("%.0f", value) or value
    -- A null takes no byte: it is shown at the branch of its union.
    local range = at.position > start and range_since(at, start) or at.tvb(start - 1, 1)
    if path:match("%.error$") or path == "code" then
      tree:add(field.error_code, range, value)
    else
      tree:add(field.value, range, shown, path .. ": " .. shown)
    end
    return
  end
  if schema.union then
    local branch = schema.union[unzigzag(take_varint(at)) + 1]
    if not branch then error("unknown branch of a union", 0) end
    return walk(branch, at, tree, path)
  elseif schema.enum then
    local symbol = schema.enum[unzigzag(take_varint(at)) + 1]
    if not symbol then error("unknown symbol of an enum", 0) end
    tree:add(field.value, range_since(at, start), symbol, path .. ": " .. symbol)
  elseif schema.array then
    walk_items(schema.array, at, path, function (items, name) walk(items, at, tree, name) end)
  elseif schema.map then
    walk_items(schema.map, at, path, function (values, name)
      walk("string", at, tree, name .. " key")
      walk(values, at, tree, name .. " value")
    end)
  else
    for _, entry in ipairs(schema.record) do
      walk(entry[2], at, tree, path == "" and entry[1] or (path .. "." .. entry[1]))
    end
  end
end

local function add_record (at, tree, index, base_offset)
  local start = at.position
  local length = take_varint(at)
  local stop = at.position + length
  if stop > at.stop then error("record is longer than its batch", 0) end
  local inner = { tvb = at.tvb, position = at.position, stop = stop }
  local offset = base_offset + take_varint(inner)
  take_varint(inner)
  local function nullable ()
    local size = take_varint(inner) - 1
    return size < 0 and "null" or printable(take_bytes(inner, size))
  end
  local key, value = nullable(), nullable()
  local header_count = take_varint(inner)
  at.position = stop
  local node = tree:add(field.value, range_since(at, start), key,
    string.format("Record %d: offset %.0f, key %s, value %s", index, offset, key, value))
  for _ = 1, header_count do
    local name_start = inner.position
    local name = printable(take_bytes(inner, take_varint(inner)))
    local header_value = nullable()
    node:add(field.value, range_since(inner, name_start), name, string.format("Header %s: %s", name, header_value))
  end
end

local BATCH_FIELDS = {
  { "base_offset", BATCH.baseOffset, 8 }, { "batch_size", BATCH.size, 4 }, { "leader_epoch", BATCH.leaderEpoch, 4 },
  { "committed_offset", BATCH.committedOffset, 8 }, { "prev_crc", BATCH.prevCrc, 4 },
  { "header_crc", BATCH.headerCrc, 4 }, { "crc", BATCH.crc, 4 }, { "magic", BATCH.magic, 1 },
  { "codec", BATCH.codec, 1 }, { "batch_flags", BATCH.flags, 2 }, { "control", BATCH.flags, 2 },
  { "encrypted", BATCH.flags, 2 }, { "record_count", BATCH.recordCount, 4 },
  { "last_offset_delta", BATCH.lastOffsetDelta, 4 }, { "first_timestamp", BATCH.firstTimestamp, 8 },
  { "max_timestamp", BATCH.maxTimestamp, 8 }, { "producer_id", BATCH.producerId, 8 },
  { "base_sequence", BATCH.baseSequence, 4 }, { "producer_epoch", BATCH.producerEpoch, 2 },
  { "extras_size", BATCH.extrasSize, 4 },
}

-- The columns of the extras, in the order of their bits, with the size of a row.
local EXTRAS_COLUMNS = { { "lane", 8 }, { "not_before", 8 }, { "expires", 8 }, { "priority", 1 }, { "dedup_key", 16 } }

-- Shows the options of records, column by column.
local function add_extras (tvb, position, size, rows, tree)
  local node = tree:add(sluice, tvb(position, size), string.format("Extras of %d bytes", size))
  if size < 4 or tvb(position, 2):uint() ~= 1 then return node:append_text(", of an unknown version") end
  local columns = tvb(position + 2, 2):uint()
  node:add(field.extras_columns, tvb(position + 2, 2))
  local at, stop = position + 4, position + size
  for index, column in ipairs(EXTRAS_COLUMNS) do
    if math.floor(columns / 2 ^ (index - 1)) % 2 == 1 then
      if rows * column[2] > stop - at then error("extras are shorter than their columns", 0) end
      for row = 0, rows - 1 do
        node:add(field[column[1]], tvb(at, column[2])):prepend_text(string.format("Record %d: ", row))
        at = at + column[2]
      end
    end
  end
end

-- Shows one record batch; returns the position behind it.
local function add_batch (tvb, position, stop, tree)
  if stop - position < BATCH_HEADER_BYTES then error("record batch is cut off", 0) end
  local size = tvb(position + BATCH.size, 4):uint()
  if size < BATCH_HEADER_BYTES or position + size > stop then error("record batch is cut off", 0) end
  local node = tree:add(sluice, tvb(position, size), string.format("Record batch of %d bytes", size))
  for _, entry in ipairs(BATCH_FIELDS) do node:add(field[entry[1]], tvb(position + entry[2], entry[3])) end
  local records_start = position + BATCH_HEADER_BYTES + tvb(position + BATCH.extrasSize, 4):uint()
  if records_start > position + size then error("extras are longer than their batch", 0) end
  local extras_start = position + BATCH_HEADER_BYTES
  if records_start > extras_start then
    local rows = tvb(position + BATCH.lastOffsetDelta, 4):uint() + 1
    add_extras(tvb, extras_start, records_start - extras_start, rows, node)
  end
  local encrypted = tvb(position + BATCH.flags, 2):uint() % 4 >= 2
  if tvb(position + BATCH.codec, 1):uint() ~= 0 or encrypted then
    if records_start < position + size then
      node:add(field.packed, tvb(records_start, position + size - records_start))
    end
    return position + size
  end
  local at = { tvb = tvb, position = records_start, stop = position + size }
  local base_offset = tonumber(tostring(tvb(position, 8):int64()))
  for index = 0, tvb(position + BATCH.recordCount, 4):uint() - 1 do add_record(at, node, index, base_offset) end
  return position + size
end

local function has_flag (flags, bit)
  return math.floor(flags / bit) % 2 == 1
end

local function message_name (api, version, flags)
  if has_flag(flags, 4) then return "error.v1.response" end
  local direction = has_flag(flags, 8) and "notice" or has_flag(flags, 1) and "response" or "request"
  return string.format("%s.v%d.%s", APIS[api] or ("api " .. api), version, direction)
end

local function add_body (tvb, name, body_end, total, tree)
  local schema = SCHEMAS[name]
  if not schema then error("no schema of " .. name, 0) end
  local at = { tvb = tvb, position = FRAME_HEADER_BYTES, stop = body_end }
  walk(schema, at, tree:add(field.message, tvb(FRAME_HEADER_BYTES, body_end - FRAME_HEADER_BYTES), name), "")
  if at.position ~= body_end then error("bytes are left over in the body", 0) end
  local position = body_end
  while position < total do position = add_batch(tvb, position, total, tree) end
end

local function dissect_frame (tvb, pinfo, tree)
  local total = tvb:len()
  local node = tree:add(sluice, tvb())
  pinfo.cols.protocol = "SLUICE"
  if total < FRAME_HEADER_BYTES then
    node:add_proto_expert_info(malformed, "the size is below that of the header")
    return total
  end
  local api, version, flags = tvb(4, 2):uint(), tvb(6, 1):uint(), tvb(7, 1):uint()
  local correlation, body_size = tvb(8, 4):uint(), tvb(12, 4):uint()
  node:add(field.size, tvb(0, 4))
  node:add(field.api, tvb(4, 2))
  node:add(field.version, tvb(6, 1))
  local flag_node = node:add(field.flags, tvb(7, 1))
  for _, name in ipairs({ "response", "unordered", "error", "notice" }) do flag_node:add(field[name], tvb(7, 1)) end
  node:add(field.correlation, tvb(8, 4))
  node:add(field.body_size, tvb(12, 4))
  local name = message_name(api, version, flags)
  node:append_text(string.format(", %s, correlation %d", name, correlation))
  pinfo.cols.info:append(string.format(" [%s #%d]", name, correlation))
  if body_size > total - FRAME_HEADER_BYTES then
    node:add_proto_expert_info(malformed, "the body is longer than its frame")
    return total
  end
  local ok, fault = pcall(add_body, tvb, name, FRAME_HEADER_BYTES + body_size, total, node)
  if not ok then node:add_proto_expert_info(malformed, tostring(fault)) end
  return total
end

local function frame_length (tvb, _, offset)
  return tvb(offset, 4):uint() + 4
end

function sluice.dissector (tvb, pinfo, tree)
  pinfo.cols.info = ""
  dissect_tcp_pdus(tvb, tree, 4, frame_length, dissect_frame)
  return tvb:len()
end

DissectorTable.get("tcp.port"):add(7400, sluice)
