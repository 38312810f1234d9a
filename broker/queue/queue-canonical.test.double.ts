// The replicated state of a group as text: equal for two states that mean the same, wherever their delayed records are
// kept and whether or not they have noticed that a delay is over.

import { MemoryDelayStore } from './memory-delay-store.js'
import { QueueState } from './queue-state.js'
import { RECORD_STATE } from './queue-types.js'

export function canonicalState (state: QueueState): string {
  // Through a snapshot, which shows that snapshots hold everything.
  const copy = new QueueState((state.delayed as MemoryDelayStore).copy())
  copy.restore(state.snapshot())
  while (copy.delayed.size > 0) copy.load(copy.delayed.minOffset())
  const { ledger, lanes } = copy
  const records = [...ledger.sortedOffsets()].map(offset => {
    const slot = ledger.find(offset)
    const isWaiting = ledger.states[slot] === RECORD_STATE.READY || ledger.states[slot] === RECORD_STATE.DELAYED
    return [
      offset, isWaiting ? 'W' : ledger.states[slot], ledger.flags[slot], ledger.times[slot], ledger.leaseSequences[slot],
      ledger.leaseEpochs[slot], ledger.leasedAt[slot], ledger.sessions[slot], ledger.lanes[slot], ledger.expires[slot],
      ledger.failures[slot], ledger.deliveries[slot], JSON.stringify(copy.notes.get(offset) ?? null),
    ].join(' ')
  })
  const cursors = lanes.sortedSlots().map(slot =>
    [lanes.lanes[slot], lanes.positions[slot], lanes.flags[slot], lanes.leased[slot]].join(' '))
  const sessions = [...copy.sessions.all()].map(({ number, sessionId, flags, leaseCount }) =>
    [number, sessionId, flags, leaseCount].join(' '))
  return [
    `epoch ${copy.epoch} sequence ${copy.sequence} time ${copy.timeMs} next ${copy.nextOffset} floor ${copy.floor}`,
    `leases ${copy.leaseCounter} paused ${copy.paused} ended ${[...copy.ended].join()}`,
    ...records, '-', ...cursors.sort(), '-', ...sessions.sort(),
  ].join('\n')
}
