// Somebody who waits for records of queue groups: a receive that found none.

import type { HostedQueueGroup } from './hosted-queue-group.js'

export interface QueueWaiter {
  /** There may be records in `group`. A turn of it has begun. Answers true where the waiter waits no more. */
  offer (group: HostedQueueGroup): boolean
}
