// Every bound of the broker that is not an option, in one place. What a client can make grow has its bound here or in
// config.ts.

const KiB = 1024
const MiB = 1024 * KiB

export const LIMITS = {
  /** Bytes of an incomplete request that a connection may always hold; more only while all together hold little. */
  heldBytesFree: 256 * KiB,
  /** A connection that has begun so many requests in one turn of the event loop is read on in the next one. */
  requestsPerTurn: 1_000,
  /** A connection whose unsent responses are above this is read no further until they have drained. */
  unsentBytesPerConnection: 2 * MiB,
  /** While clients have not taken `max-unsent-bytes`, those that take theirs are sent so much at once, in bytes. */
  fetchResponseBytesScarce: 256 * KiB,
  /** Partitions answered with an error in one fetch response; the others have their turn in the next. */
  fetchErrorsPerResponse: 1_000,
  /** Most bytes of batches in one fetch response, whatever the client asks for. */
  fetchResponseBytes: 8 * MiB,
  /** Partitions in one request. */
  partitionsPerRequest: 100_000,
  /** Records that one receive may ask for. */
  recordsPerReceive: 10_000,
  /** Records that one settle may settle. */
  recordsPerSettle: 10_000,
  /** Partitions or records that any other request about queues may name. */
  itemsPerQueueRequest: 1_000,
  /** A receive whose time is over waits so long for records that are being read from disk, in milliseconds. */
  receiveLoadMs: 5_000,
  /** Bytes that all queue groups keep of what they have read from the disk. */
  queueReadBytes: 64 * MiB,
  /** Redrives that run at once, and ended ones that are remembered: the one that ended first is forgotten first. */
  redrivesAtOnce: 16,
  redrivesKept: 100,
  /** Dead letters that a redrive sorts at once; see RedriveJob. */
  redrivePlan: 250_000,
  /** A redrive keeps the letters that it is moving from consumers for so long, in milliseconds. */
  redriveClaimMs: 60_000,
  /** How often it is looked which redrives this broker is to run, while there are any, in milliseconds. */
  redriveLookMs: 100,
  /** The start of a redrive waits so long for leaders of the dead-letter queue, in milliseconds. */
  redriveStartMs: 5_000,
  /** A redrive that is cancelled has so long to stand still before the caller is told that it will, in milliseconds. */
  redriveCancelMs: 25_000,
  /** Bytes that a redrive reads at once, and about those of a batch that it appends. */
  redriveReadBytes: 256 * KiB,
  redriveBatchBytes: MiB,
  /** Bytes of the text of a header in the filter of a redrive. */
  redriveFilterBytes: 4 * KiB,
  /** Dead letters on their way to one other broker at once; the others wait. */
  lettersPerBroker: 64,
  /** Another broker may take so long to store a dead letter, or records of a redrive, in milliseconds. */
  storeElsewhereMs: 10_000,
  /** Sources of dead letters, and redrives, of which is remembered how far they have come: see AskOrder. */
  askOwners: 100_000,
  /**
   * What an earlier leader of a partition may have stored for somebody who has no answer yet stays in the log for so
   * long, in milliseconds: dead letters and moved records have to be found there.
   */
  earlierLeaderHoldMs: 10 * 60_000,
  /** Longest long poll of a receive, in milliseconds. */
  receiveWaitMs: 60_000,
  /** Longest long poll of a fetch, in milliseconds. */
  fetchWaitMs: 5 * 60_000,
  /** Longest time a request may ask to be worked on, in milliseconds. */
  requestTimeoutMs: 10 * 60_000,
  /** A request that needs the leader waits so long for a majority to confirm who that is, in milliseconds. */
  confirmMs: 5_000,
  /** An incomplete frame may be on the way for so long, in milliseconds. */
  frameArrivalMs: 60_000,
  /** A connection has to say hello within this time, in milliseconds. */
  helloMs: 10_000,
  /** A client that is told to go has so long to close the connection by itself, in milliseconds. */
  goAwayGraceMs: 100,
  /** After its last byte a connection that is being closed waits so long for the client to close its side, in ms. */
  lingerMs: 2_000,
  /** A connection that is being closed, or half closed, may be without any progress for so long, in milliseconds. */
  closingMs: 30_000,
  /** While memory for responses is short, a client that has taken nothing for so long is cut off, in milliseconds. */
  stalledMs: 30_000,
  /** Connections above the most allowed that are being told so; further ones are cut off without a word. */
  turnedAwayAtOnce: 256,
  /** How often connections are looked at for frames and hellos that do not come, in milliseconds. */
  connectionTickMs: 1_000,
  /** How often deadlines are looked at, in milliseconds. */
  tickMs: 10,
  /** Producers that a partition remembers; the one that was silent longest is forgotten first. */
  producersPerPartition: 10_000,
  /** Batches that a partition remembers of each producer, at 24 bytes; clients have as many under way. */
  batchesPerProducer: 64,
  /** Characters of the free text of a committed offset. */
  offsetMetadataLength: 4_096,
  /** Offsets committed in one turn go to the state log in batches of so many at most. */
  commitsPerBatch: 500,
  /** Lookups by time of one request that are under way at once. */
  timeLookupsAtOnce: 16,
  /** Bytes of the largest frame that are kept for what stands around a record batch. */
  frameOverheadBytes: 1024,
  /** Partitions of one topic. */
  partitionsPerTopic: 10_000,
  /** Partitions of one broker. */
  partitionsPerBroker: 100_000,
  /** Producer ids taken from the control store at once. */
  producerIdBlock: 1_000,
} as const
