// What the queue groups and stream groups of a run are like, drawn like everything else.

import { DEFAULT_QUEUE_SETTINGS, ORDER, type Order, queueConfigOf, type QueueConfig } from '@sluice/broker/simulation'
import type { SeededRandom } from '../crash/seeded-random.js'

export interface GroupOptions {
  /** Settings of the queue, in canonical text, that are not left at their defaults. */
  readonly settings: Readonly<Record<string, string>>
  readonly keys: number
  readonly consumers: number
  /** Shares of the records that are sent with a delay, a time to live, a dedup id. */
  readonly delayedShare: number
  readonly expiresShare: number
  readonly dedupShare: number
  /** Shares of the handles that a consumer nacks, rejects, releases, extends, holds on to for too long. */
  readonly nackShare: number
  readonly rejectShare: number
  readonly releaseShare: number
  readonly extendShare: number
  readonly hangShare: number
  /** Of the delays that consumers ask for with a nack: longer than what is kept in memory. */
  readonly farShare: number
  /** Means between two disconnects and two ends of a session, in ms; 0: none. */
  readonly disconnectMs: number
  readonly closeMs: number
  /** A checkpoint is written so often, in ms. */
  readonly checkpointMs: number
  /** Members of a stream group take over from each other so often, in ms. */
  readonly rebalanceMs: number
}

export function drawGroups (random: SeededRandom): GroupOptions {
  const share = (chance: number, most: number): number => random.chance(chance) ? random.next() * most : 0
  return {
    settings: drawSettings(random),
    keys: random.pick([1, 2, 5, 20]),
    consumers: random.between(1, 4),
    delayedShare: share(0.5, 0.3),
    expiresShare: share(0.3, 0.1),
    dedupShare: share(0.5, 0.6),
    nackShare: share(0.8, 0.4),
    rejectShare: share(0.4, 0.1),
    releaseShare: share(0.5, 0.2),
    extendShare: share(0.5, 0.3),
    hangShare: share(0.5, 0.1),
    farShare: share(0.3, 0.2),
    disconnectMs: random.chance(0.6) ? random.between(500, 5_000) : 0,
    closeMs: random.chance(0.3) ? random.between(1_000, 8_000) : 0,
    checkpointMs: random.between(100, 3_000),
    rebalanceMs: random.between(500, 5_000),
  }
}

function drawSettings (random: SeededRandom): Record<string, string> {
  const order: Order = random.pick([ORDER.none, ORDER.none, ORDER.key, ORDER.key, ORDER.fair, ORDER.priority])
  const hasLetters = random.chance(0.7)
  const settings: Record<string, string> = {
    order,
    'visibility.ms': String(random.between(1_000, 4_000)),
    'lease.total.ms': String(random.between(4_000, 9_000)),
    'max.attempts': String(random.between(1, 6)),
    'backoff.min.ms': String(random.between(0, 200)),
    'backoff.max.ms': String(random.between(200, 2_000)),
    'disconnect.grace.ms': String(random.between(0, 2_000)),
    'session.timeout.ms': String(random.between(1_000, 3_000)),
    'max.in.flight': String(random.pick([3, 20, 1_000])),
    'priority.ageing.ms': '500',
    'dedup.scope': random.pick(['window', 'until-settled']),
    'dedup.window.ms': String(random.between(1_000, 15_000)),
    'dead.letter': hasLetters ? 'letters' : '',
    'ttl.action': hasLetters && random.chance(0.5) ? 'dead-letter' : 'drop',
  }
  if (order === ORDER.key) {
    settings['run.max'] = String(random.between(1, 6))
    settings.keyless = 'unordered'
    settings.poison = random.pick(hasLetters ? ['dlq-one', 'dlq-one', 'dlq-key', 'hold'] : ['dlq-one', 'hold'])
  }
  if (order === ORDER.fair) settings['key.concurrency'] = String(random.between(0, 4))
  return settings
}

export function queueConfigIn ({ settings }: GroupOptions): QueueConfig {
  return queueConfigOf({ ...DEFAULT_QUEUE_SETTINGS, ...settings })
}
