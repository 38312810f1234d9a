// Mutants: the product with one decision turned wrong. Each stands for a mistake that somebody has made; a simulator
// that does not notice them proves nothing.

import {
  type LogEnd, type LogProgress, type LogTail, type Member, type PartitionRecord, SAFETY_RULES, SafetyRules,
} from '@sluice/broker/simulation'
import { SeededRandom } from '../crash/seeded-random.js'
import { drawGroups } from './group-options.js'
import { QUEUE_MUTANTS, type QueueMutant } from './queue-mutants.js'
import type { SwarmOptions } from './swarm-options.js'

export interface Mutant {
  readonly name: string
  readonly rules: SafetyRules
  /** Promises are kept in memory only. */
  readonly forgetsPromises: boolean
  /** A duplicate is acknowledged at once, though the original is not committed. */
  readonly acknowledgesDuplicatesEarly: boolean
  /** A mistake of the queue groups; null for none. */
  readonly queue: QueueMutant | null
  /** What has to be so for the mistake to matter. */
  readonly adjust: (options: SwarmOptions) => SwarmOptions
}

const asDrawn = (options: SwarmOptions): SwarmOptions => options

/** The product as it is. */
export const NO_MUTANT: Mutant = {
  name: 'none', rules: SAFETY_RULES, forgetsPromises: false, acknowledgesDuplicatesEarly: false, queue: null, adjust: asDrawn,
}

function withRules (name: string, rules: SafetyRules, adjust = asDrawn): Mutant {
  return { ...NO_MUTANT, name, rules, adjust }
}

class AckBeforeFsync extends SafetyRules {
  override acknowledgedByFollower (log: LogProgress): number { return log.nextOffset }
}

class LeaderSelfUnsynced extends SafetyRules {
  override acknowledgedByLeader (log: LogProgress): number { return log.nextOffset }
}

class NoRecoveryFence extends SafetyRules {
  override answerFences (): boolean { return false }
}

class MinorityRecovery extends SafetyRules {
  override readQuorum (): number { return 1 }
}

class RecoverOwnLog extends SafetyRules {
  override best (_ends: readonly LogEnd[], ownIndex: number): number { return ownIndex }
}

class BestByLogEnd extends SafetyRules {
  override compare (a: LogEnd, b: LogEnd): number { return a.endOffset - b.endOffset }
}

class TruncateToHighWatermark extends SafetyRules {
  override cutBeforeFirstFetch (log: { readonly highWatermark: number }): number { return log.highWatermark }
}

class CountUnvalidated extends SafetyRules {
  override countedOffset (durableOffset: number): number { return durableOffset }
}

class CommitOldEpoch extends SafetyRules {
  override mayCommit (): boolean { return true }
}

class RestartSameEpoch extends SafetyRules {
  override leads (record: PartitionRecord, self: Member): boolean { return this.isMember(record.leader, self) }
}

class StaleDiverge extends SafetyRules {
  override isAbout (_answer: LogTail, _log: LogTail): boolean { return true }
}

class StaleCallback extends SafetyRules {
  override isStale (): boolean { return false }
}

class ReconfigureWithoutOldQuorum extends SafetyRules {
  override setsToRead (record: PartitionRecord): readonly (readonly Member[])[] { return [record.replicas] }
}

class NoStoreId extends SafetyRules {
  override isMember (a: Member, b: Member): boolean { return a.brokerId === b.brokerId }
}

class NoTrust extends SafetyRules {
  override countsAsAnswer (): boolean { return true }
}

/** Every mutant of the replication, by the name that the fault list gives it. */
const REPLICATION_MUTANTS: readonly Mutant[] = [
  withRules('ackBeforeFsync', new AckBeforeFsync()),
  withRules('leaderSelfUnsynced', new LeaderSelfUnsynced()),
  { ...NO_MUTANT, name: 'noPromisePersist', forgetsPromises: true },
  withRules('noRecoveryFence', new NoRecoveryFence()),
  withRules('minorityRecovery', new MinorityRecovery()),
  withRules('recoverOwnLog', new RecoverOwnLog()),
  withRules('bestByLeo', new BestByLogEnd()),
  withRules('truncToHw', new TruncateToHighWatermark()),
  withRules('countUnvalidated', new CountUnvalidated()),
  withRules('commitOldEpoch', new CommitOldEpoch()),
  withRules('restartSameEpoch', new RestartSameEpoch()),
  // Two histories have to part, and what the leader said of it has to come again later.
  withRules('staleDiv', new StaleDiverge(), options => ({
    ...options,
    brokers: 3,
    replicas: 3,
    network: { ...options.network, duplicateShare: 0.5, lateShare: 0.3, lateMs: 400 },
    meanMs: { ...options.meanMs, falseSuspicion: 700, cut: 1_200, asymmetric: 2_000 },
  })),
  // The disk has to answer after the role has changed.
  withRules('staleCallback', new StaleCallback(), options => ({
    ...options,
    disk: { ...options.disk, slowShare: 0.1, slowMs: 800 },
    meanMs: { ...options.meanMs, falseSuspicion: 500, cut: 1_500 },
  })),
  { ...NO_MUTANT, name: 'dupAckEarly', acknowledgesDuplicatesEarly: true },
  withRules('reconfNoOldQuorum', new ReconfigureWithoutOldQuorum(),
    options => ({ ...options, meanMs: { ...options.meanMs, reconfigure: 1_000 } })),
  withRules('noStoreId', new NoStoreId(), options => ({ ...options, meanMs: { ...options.meanMs, wipe: 2_000 } })),
  withRules('memNoTrust', new NoTrust(), options => ({
    ...options, flush: 'interval', meanMs: { ...options.meanMs, powerCut: 1_000 },
  })),
]

/** The same for the groups: they have to be there. */
function withQueue (queue: QueueMutant): Mutant {
  const adjust = (options: SwarmOptions): SwarmOptions =>
    queue.adjust({ ...options, flush: 'sync', retentionBytes: -1, isAsync: false, groups: options.groups ?? drawGroups(new SeededRandom(options.segmentBytes)) })
  return { ...NO_MUTANT, name: queue.name, queue, adjust }
}

/** Mistakes below the groups are looked for without them. */
function withoutGroups (mutant: Mutant): Mutant {
  return { ...mutant, adjust: options => mutant.adjust({ ...options, groups: null, isAsync: false }) }
}

export const MUTANTS: readonly Mutant[] = [
  ...REPLICATION_MUTANTS.map(withoutGroups), ...QUEUE_MUTANTS.map(withQueue),
]
