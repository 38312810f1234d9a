// What one run is like: drawn from its seed, so that no two are alike, and each leaves something out. A fault that is
// always there hides what only happens without it.

import type { SeededRandom } from '../crash/seeded-random.js'
import { drawGroups, type GroupOptions } from './group-options.js'

export interface SwarmOptions {
  readonly brokers: number
  readonly partitions: number
  readonly replicas: number
  readonly producers: number
  /** Chaos for so long; then everything heals. */
  readonly chaosMs: number
  /** How long the healing may take. */
  readonly healMs: number
  /** 'sync': every acknowledged record was synced; 'interval': it was written. */
  readonly flush: 'sync' | 'interval'
  readonly network: {
    readonly delayMs: number
    readonly jitterMs: number
    readonly lossShare: number
    readonly duplicateShare: number
    readonly corruptShare: number
    /** A share of the messages takes so long. */
    readonly lateShare: number
    readonly lateMs: number
  }
  readonly disk: {
    readonly writeMs: number
    readonly syncMs: number
    readonly slowShare: number
    readonly slowMs: number
  }
  readonly control: {
    readonly delayMs: number
    readonly ambiguousShare: number
    readonly watchLossShare: number
    readonly watchDelayMs: number
  }
  /** Faults of the whole by time: means between two, in ms; 0: none. */
  readonly meanMs: {
    readonly kill: number
    readonly powerCut: number
    readonly pause: number
    readonly cut: number
    readonly asymmetric: number
    readonly wipe: number
    readonly flip: number
    readonly diskError: number
    readonly diskFull: number
    readonly controlOutage: number
    readonly reconfigure: number
    readonly falseSuspicion: number
    readonly clockJump: number
    readonly allDown: number
  }
  /** Probability that a fault strikes at the very moment of an event of this kind. */
  readonly aimed: {
    readonly commit: number
    readonly promise: number
    readonly activation: number
    readonly append: number
  }
  /** Mean between two times in which a disk cannot be read, in ms; 0: none. */
  readonly readErrorMs: number
  /** Producers are answered once the leader has their records: they may be lost with it. Without groups only. */
  readonly isAsync: boolean
  readonly segmentBytes: number
  /** Leaders remove segments beyond so many bytes; -1: none. */
  readonly retentionBytes: number
  readonly clockDriftShare: number
  /** Queue groups and stream groups on the partitions; null where there is nothing around the replicas. */
  readonly groups: GroupOptions | null
}

/** Draws the options of a run. */
export function drawOptions (random: SeededRandom): SwarmOptions {
  const drawn = drawAll(random)
  const options = { ...drawn, ...drawLater(random, drawn.groups !== null) }
  // What a state log says counts until it is said anew: no retention takes it.
  return options.groups === null ? options : { ...options, retentionBytes: -1 }
}

/** What came to be drawn later is drawn last, so that older seeds are what they were in all else. */
function drawLater (random: SeededRandom, hasGroups: boolean): Pick<SwarmOptions, 'readErrorMs' | 'isAsync'> {
  return {
    readErrorMs: random.chance(0.2) ? random.between(1_500, 8_000) : 0,
    isAsync: random.chance(0.15) && !hasGroups,
  }
}

function drawAll (random: SeededRandom): Omit<SwarmOptions, 'readErrorMs' | 'isAsync'> {
  const maybe = (share: number, from: number, to: number): number => random.chance(share) ? random.between(from, to) : 0
  const share = (chance: number, most: number): number => random.chance(chance) ? random.next() * most : 0
  const brokers = random.chance(0.6) ? 3 : 5
  const replicas = brokers === 5 && random.chance(0.5) ? 5 : 3
  const flush = random.chance(0.15) ? 'interval' : 'sync'
  const delayMs = 0.1 + random.next() * 3
  return {
    brokers,
    partitions: random.between(1, 4),
    replicas,
    producers: random.between(1, 5),
    chaosMs: random.between(8_000, 20_000),
    healMs: 40_000,
    flush,
    network: {
      delayMs,
      jitterMs: random.next() * 5,
      lossShare: share(0.5, 0.1),
      duplicateShare: share(0.5, 0.1),
      corruptShare: share(0.2, 0.01),
      lateShare: share(0.5, 0.05),
      lateMs: random.between(50, 3_000),
    },
    disk: {
      writeMs: 0.05 + random.next(),
      syncMs: 0.2 + random.next() * 5,
      slowShare: share(0.4, 0.02),
      slowMs: random.between(20, 1_500),
    },
    control: {
      delayMs: 1 + random.next() * 10,
      ambiguousShare: share(0.5, 0.2),
      watchLossShare: share(0.5, 0.8),
      watchDelayMs: random.between(1, 1_000),
    },
    meanMs: {
      kill: maybe(0.7, 1_000, 6_000),
      powerCut: maybe(0.6, 1_500, 8_000),
      pause: maybe(0.5, 1_500, 8_000),
      cut: maybe(0.6, 1_000, 6_000),
      asymmetric: maybe(0.4, 1_500, 6_000),
      wipe: maybe(0.25, 3_000, 10_000),
      flip: maybe(0.25, 2_000, 8_000),
      // Where syncs come by the clock, a failed one takes much of what was acknowledged: nobody makes up for that.
      diskError: flush === 'sync' ? maybe(0.25, 2_000, 8_000) : 0,
      diskFull: maybe(0.25, 2_000, 8_000),
      controlOutage: maybe(0.3, 3_000, 10_000),
      reconfigure: maybe(0.5, 1_500, 6_000),
      falseSuspicion: maybe(0.7, 500, 4_000),
      clockJump: maybe(0.3, 2_000, 8_000),
      allDown: maybe(0.2, 4_000, 10_000),
    },
    aimed: {
      commit: share(0.4, 0.01),
      promise: share(0.5, 0.2),
      activation: share(0.5, 0.4),
      append: share(0.4, 0.01),
    },
    segmentBytes: random.pick([4_096, 5_500, 16_384, 1_048_576]),
    retentionBytes: random.chance(0.5) ? random.between(500, 12_000) : -1,
    clockDriftShare: share(0.5, 0.01),
    // A queue does not go without syncs.
    groups: flush === 'sync' && random.chance(0.5) ? drawGroups(random) : null,
  }
}
