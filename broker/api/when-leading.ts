// Before an answer that must not be out of date: makes sure that this broker leads the partition still.

import { ERROR } from '@sluice/protocol'
import type { LogRefusal } from '../log/led-log.js'
import type { BrokerServices } from './services.js'

/** A partition at its leader. */
export interface ConfirmablePartition {
  readonly label: string
  confirmLeadership (done: (refusal: LogRefusal | null) => void): void
}

/**
 * Calls back once a majority of the replicas has confirmed that nobody newer leads; at once where there are no others.
 * With what to answer instead where that is not so, or not known within `timeoutMs`.
 */
export function whenLeading (
  services: BrokerServices, partition: ConfirmablePartition, timeoutMs: number,
  done: (refusal: LogRefusal | null) => void,
): void {
  const { deadlines, clock } = services
  let isAnswered = false
  let cancel = (): void => {}
  const answer = (refusal: LogRefusal | null): void => {
    if (isAnswered) return
    isAnswered = true
    cancel()
    done(refusal)
  }
  partition.confirmLeadership(answer)
  if (isAnswered) return
  const deadline = deadlines.add(clock.monotonicMs() + timeoutMs, () => answer({
    error: ERROR.NOT_ENOUGH_REPLICAS,
    message: `a majority of the replicas of ${partition.label} has not confirmed within ${timeoutMs} ms who leads; retry with back-off`,
  }))
  cancel = () => deadlines.cancel(deadline)
}
