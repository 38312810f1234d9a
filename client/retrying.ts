// Requests whose answer has a result for each partition: one that is refused for a reason that passes, such as a leader
// that has just changed, is asked for again, as the request as a whole would be.

import { asBrokerError } from './broker-error.js'
import type { Cluster } from './connection/cluster.js'
import { delay, retryDelayMs } from './waiting.js'

/**
 * Calls `attempt` until it resolves, fails for good, or the client's request timeout has passed.
 *
 * @throws BrokerError as a rejection: the last failure; or the reason of the signal.
 */
export async function whileRetriable<T> (
  cluster: Cluster, signal: AbortSignal | undefined, attempt: () => Promise<T>,
): Promise<T> {
  const { settings } = cluster
  const deadlineMs = performance.now() + settings.requestTimeoutMs
  for (let attempts = 1; ; attempts++) {
    try {
      return await attempt()
    } catch (cause) {
      const error = asBrokerError(cause)
      const waitMs = retryDelayMs(settings, error, attempts)
      // What was tried several times already has had its time.
      const isOver = (error.attempts ?? 1) > 1 || attempts >= settings.maxAttempts
      if (!error.retriable || isOver || performance.now() + waitMs >= deadlineMs) throw cause
      await delay(waitMs, signal)
    }
  }
}
