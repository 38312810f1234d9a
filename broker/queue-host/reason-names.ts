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
