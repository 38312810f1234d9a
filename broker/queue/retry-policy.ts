// How long a record waits after a failed attempt: full jitter under a bound that doubles with each failure.

import type { QueueConfig } from './queue-settings.js'
import type { Random } from './queue-types.js'

/** @param failures 1 after the first failed attempt. @returns whole milliseconds, 0 to the bound. */
export function backoffMs (
  failures: number, config: Pick<QueueConfig, 'backoffMinMs' | 'backoffMaxMs'>, random: Random,
): number {
  // 2^40 ms is above every bound and still far from losing precision.
  const boundMs = Math.min(config.backoffMaxMs, config.backoffMinMs * 2 ** Math.min(failures - 1, 40))
  return Math.floor(random() * (boundMs + 1))
}
