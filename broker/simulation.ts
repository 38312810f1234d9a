// The entry for the simulator, `@sluice/broker/simulation`: the core of the broker without the server around it.

export {
  checkCommit, COMMIT_CHANGES_MAX, type ControlChange, type ControlCompare, type ControlEntry, type ControlFault,
  type ControlLease, type ControlStore, ControlStoreError,
} from './control/control-store.js'
export { leaseEndMs, renewalIntervalMs } from './control/lease-term.js'
export { PartitionRecords } from './control/partition-records.js'
export { AckQueue } from './partition/ack-queue.js'
export { ProducerState } from './partition/producer-state.js'
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
export { type LogProgress, type LogTail, SAFETY_RULES, SafetyRules } from './replica/safety-rules.js'
