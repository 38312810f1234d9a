// Why attempts fail and records die, in the words of the protocol.

import type { QueueFailureReason } from '@sluice/protocol'
import { REASON, type Reason } from '../queue/queue-types.js'

const REASON_NAMES: Readonly<Record<Reason, QueueFailureReason>> = {
  [REASON.nack]: 'nack',
  [REASON.timeout]: 'timeout',
  [REASON.disconnect]: 'disconnect',
  [REASON.reject]: 'reject',
  [REASON.exhausted]: 'exhausted',
  [REASON.quarantine]: 'quarantine',
  [REASON.ttl]: 'ttl',
}

export function reasonName (reason: Reason): QueueFailureReason { return REASON_NAMES[reason] }

/** The reason of that name; null where it is none. */
export function reasonNamed (name: string): Reason | null {
  for (const reason of Object.values(REASON)) if (REASON_NAMES[reason] === name) return reason
  return null
}
