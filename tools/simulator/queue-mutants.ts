// Mistakes that a queue must not make, each planted into the product's own group before it is restored.

import { type HostedQueueGroup, ORDER, type Partition, SETTLE_KIND, type SettleItem } from '@sluice/broker/simulation'
import type { SwarmOptions } from './swarm-options.js'

export interface QueueMutant {
  readonly name: string
  plant (group: HostedQueueGroup, partition: Partition): void
  /** The dead-letter queue stores a letter whenever it is asked. */
  readonly storesLettersTwice: boolean
  /** A letter that was lost on its way counts as stored. */
  readonly dropsLetters: boolean
  /** What has to be so for the mistake to matter. */
  readonly adjust: (options: SwarmOptions) => SwarmOptions
}

type Adjust = QueueMutant['adjust']

/** The parts of a group that mistakes are planted into. */
interface GroupParts {
  readonly settlement: { settleUnlisted: (item: SettleItem, offset: number, sequence: number) => number }
  readonly picker: {
    afterLeaseEnd: (offset: number, lane: number) => void
    advance: (lane: number, offset: number) => void
  }
  readonly journal: { next: (offset: number) => void }
  readonly scan: { readonly highWatermark: number }
}

function partsOf (group: HostedQueueGroup): GroupParts { return group.idle as unknown as GroupParts }

function withSettings (settings: Record<string, string>): Adjust {
  return options => ({
    ...options, groups: { ...options.groups!, settings: { ...options.groups!.settings, ...settings } },
  })
}

function mutant (name: string, plant: QueueMutant['plant'], adjust: Adjust = options => options): QueueMutant {
  return { name, plant, adjust, storesLettersTwice: false, dropsLetters: false }
}

/** Whatever is said counts as durable at the end of the turn in which it is said. */
function settleBeforeCommit (group: HostedQueueGroup): void {
  const endTurn = group.endTurn.bind(group)
  group.endTurn = () => {
    const delta = endTurn()
    if (delta !== null) group.onDeltaDurable(group.idle.sequence)
    return delta
  }
}

/** A late ack of a lease that was lost takes the records before it along. */
function floorOverUnknown (group: HostedQueueGroup): void {
  const { settlement, journal, scan } = partsOf(group)
  const right = settlement.settleUnlisted.bind(settlement)
  settlement.settleUnlisted = (item, offset, sequence) => {
    const { state } = group.idle
    const isFresh = offset >= state.nextOffset && offset < scan.highWatermark
    const isLost = isFresh && item.kind === SETTLE_KIND.ack && item.leaseEpoch < state.epoch
    if (!isLost) return right(item, offset, sequence)
    journal.next(offset + 1)
    return 1
  }
}

/** A new leader counts leases from the beginning, in an epoch that was there before. */
function leaseSequenceReused (group: HostedQueueGroup): void {
  const queue = group.idle
  const lead = queue.lead.bind(queue)
  queue.lead = (_epoch, monotonicMs, wallMs) => {
    queue.state.epoch = 0
    queue.state.leaseCounter = 0
    lead(1, monotonicMs, wallMs)
  }
}

/** A key goes on while its nacked record waits. */
function orderLostOnNack (group: HostedQueueGroup): void {
  if (group.config.order !== ORDER.key) return
  const { picker } = partsOf(group)
  const right = picker.afterLeaseEnd.bind(picker)
  picker.afterLeaseEnd = (offset, lane) => {
    right(offset, lane)
    const { lanes } = group.idle.state
    const slot = lanes.find(lane)
    if (slot >= 0 && lanes.positions[slot] === offset) picker.advance(lane, offset)
  }
}

/** A far delay is not stored. */
function delayForgotten (group: HostedQueueGroup): void {
  group.delayed.put = () => {}
}

/** A new leader does not read the dedup ids back from the log. */
function dedupForgotten (_group: HostedQueueGroup, partition: Partition): void {
  const dedup = partition.queues!.dedup as unknown as { replay: () => void, restoreSnapshot: () => boolean }
  dedup.replay = () => {}
  dedup.restoreSnapshot = () => false
}

const withLetters = (options: SwarmOptions): SwarmOptions => withSettings({ 'dead.letter': 'letters', 'max.attempts': '2' })({
  ...options,
  network: { ...options.network, lossShare: 0.1, duplicateShare: 0.1 },
  groups: { ...options.groups!, nackShare: 0.4, rejectShare: 0.2 },
})
const nothing = (): void => {}

export const QUEUE_MUTANTS: readonly QueueMutant[] = [
  mutant('settleBeforeCommit', settleBeforeCommit),
  mutant('floorOverUnknown', floorOverUnknown, withSettings({ order: ORDER.none })),
  mutant('leaseSeqReused', leaseSequenceReused),
  mutant('orderLostOnNack', orderLostOnNack, withSettings({ order: ORDER.key })),
  { ...mutant('dlqTwice', nothing, withLetters), storesLettersTwice: true },
  { ...mutant('dlqDropped', nothing, withLetters), dropsLetters: true },
  mutant('delayForgotten', delayForgotten, options => ({
    ...options, groups: { ...options.groups!, nackShare: 0.3, farShare: 0.3 },
  })),
  mutant('dedupForgotten', dedupForgotten, options => withSettings({
    'dedup.scope': 'window', 'dedup.window.ms': '15000',
  })({ ...options, groups: { ...options.groups!, dedupShare: 0.6 } })),
]
