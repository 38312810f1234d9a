// The queues of a run: each shows some of what queues can do, and all of them bear the same faults.

import type { CreateQueueOptions } from '@sluice/client'
import type { QueueRules } from './queue-checker.js'
import type { SenderSetup } from './sender-load.js'

export interface QueueSetup {
  readonly create: CreateQueueOptions
  readonly sender: Omit<SenderSetup, 'queue'>
  /** Its delayed records are to come in time: its consumers are handlers, which are always there. */
  readonly isPunctual?: boolean
  /** What is done to it while it works, now and then. */
  readonly isPaused?: boolean
  readonly isAltered?: boolean
  /** Programs of the command line consume it too. */
  readonly hasCommands?: boolean
}

const SHORT = {
  visibilityMs: 2_000,
  sessionTimeoutMs: 2_000,
  disconnectGraceMs: 1_500,
  maxAttempts: 4,
  backoffMinMs: 20,
  backoffMaxMs: 300,
} as const

/** By name. */
export const QUEUES: Readonly<Record<string, QueueSetup>> = {
  jobs: {
    create: { ...SHORT, partitions: 3, deadLetter: 'jobs.dead', config: { 'segment.bytes': 128 * 1024 } },
    sender: { keys: 0, burstMax: 20, pauseMsMax: 80, poisonShare: 0.01, ttlShare: 0.05 },
    isPaused: true,
    isAltered: true,
    hasCommands: true,
  },
  accounts: {
    create: { ...SHORT, partitions: 2, order: 'key', runMax: 5, deadLetter: 'accounts.dead' },
    sender: { keys: 40, burstMax: 12, pauseMsMax: 100, poisonShare: 0.005 },
    hasCommands: true,
  },
  ledgers: {
    create: { ...SHORT, partitions: 2, order: 'key', runMax: 4, poison: 'hold' },
    sender: { keys: 30, burstMax: 6, pauseMsMax: 150, poisonShare: 0.01 },
  },
  contracts: {
    create: { ...SHORT, partitions: 2, order: 'key', runMax: 4, poison: 'dlq-key', deadLetter: 'contracts.dead' },
    sender: { keys: 30, burstMax: 6, pauseMsMax: 150, poisonShare: 0.005 },
  },
  reminders: {
    create: { ...SHORT, partitions: 2 },
    sender: {
      keys: 0,
      burstMax: 3,
      pauseMsMax: 150,
      delayedShare: 1,
      delayMsMax: 5_000,
      cancelledShare: 0.2,
      rescheduledShare: 0.2,
    },
    isPunctual: true,
  },
  orders: {
    create: { ...SHORT, partitions: 2, dedupScope: 'window', dedupWindowMs: 24 * 3_600_000 },
    sender: { keys: 0, burstMax: 5, pauseMsMax: 80, dedupIds: 40 },
    isAltered: true,
    hasCommands: true,
  },
  offers: {
    create: { ...SHORT, partitions: 1, dedupScope: 'window', dedupWindowMs: 3_000 },
    sender: { keys: 0, burstMax: 4, pauseMsMax: 120, dedupIds: 20 },
  },
  claims: {
    create: { ...SHORT, partitions: 2, dedupScope: 'until-settled', deadLetter: 'claims.dead' },
    sender: { keys: 0, burstMax: 5, pauseMsMax: 80, dedupIds: 30 },
  },
  tenants: {
    create: {
      ...SHORT, partitions: 1, order: 'fair', keyConcurrency: 8, deadLetter: 'tenants.dead', ttlAction: 'dead-letter',
    },
    sender: { keys: 9, burstMax: 10, pauseMsMax: 100, ttlShare: 0.05 },
    isPaused: true,
    hasCommands: true,
  },
  alerts: {
    create: { ...SHORT, partitions: 1, order: 'priority', priorityAgeingMs: 500, deadLetter: 'alerts.dead' },
    sender: { keys: 0, burstMax: 10, pauseMsMax: 100, priorities: true },
  },
  pages: {
    create: { ...SHORT, partitions: 1, order: 'priority', priorityAgeingMs: 3_600_000, maxInFlight: 20 },
    sender: { keys: 0, burstMax: 30, pauseMsMax: 200, priorities: true },
  },
}

/** What a queue promises. */
export function rulesOf ({ create, isPunctual }: QueueSetup, lateMsMax: number): QueueRules {
  const { order, poison = 'dlq-one', deadLetter, ttlAction, dedupScope, dedupWindowMs, priorityAgeingMs } = create
  return {
    isOrdered: order === 'key',
    poison,
    maxAttempts: create.maxAttempts!,
    visibilityMs: create.visibilityMs!,
    hasDeadLetters: deadLetter !== undefined,
    expiredDie: ttlAction === 'dead-letter',
    isByPriority: order === 'priority' && priorityAgeingMs! >= 3_600_000,
    dedup: dedupScope === 'window' ? { windowMs: dedupWindowMs! } : dedupScope ?? null,
    lateMsMax: isPunctual === true ? lateMsMax : null,
  }
}
