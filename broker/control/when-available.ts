// Waits, at the start of a broker, for a control store that does not answer yet: whoever starts a cluster all at once,
// or starts a broker again while etcd is away, need not care about the order.
//
//   attempt ── nobody answers ──▶ wait, twice as long each time, up to BACKOFF_MS_MAX ──▶ attempt …
//      ├ answered ─────────────▶ on with the start
//      └ refused: wrong user, wrong cluster ─▶ the start ends, since no waiting helps

import type { Clock } from '../runtime/clock.js'
import type { Logger } from '../runtime/logger.js'
import { ControlStoreError, type ControlFault } from './control-store.js'

/** The start was called off while it waited. */
export class StartAbortedError extends Error {
  constructor () {
    super('the broker was told to stop before it had started')
    this.name = 'StartAbortedError'
  }
}

export interface StartWait {
  readonly clock: Clock
  readonly logger: Logger
  /** Calls the start off; null where nobody does. */
  readonly signal: AbortSignal | null
}

const BACKOFF_MS_MIN = 250
const BACKOFF_MS_MAX = 5_000
const LOGGED_MS = 30_000

const PASSING: ReadonlySet<ControlFault> = new Set<ControlFault>(['unavailable', 'ambiguous', 'leaseLost'])

/**
 * @param attempt may be made again after it has failed half way.
 * @throws StartAbortedError, or what `attempt` throws that waiting does not help against.
 */
export async function whenAvailable<T> (attempt: () => Promise<T>, { clock, logger, signal }: StartWait): Promise<T> {
  let delayMs = BACKOFF_MS_MIN
  let loggedMs = -Infinity
  for (;;) {
    if (signal?.aborted === true) throw new StartAbortedError()
    try {
      const result = await attempt()
      if (loggedMs > -Infinity) logger.info({}, 'the control store answers; the start goes on')
      return result
    } catch (error) {
      if (!(error instanceof ControlStoreError) || !PASSING.has(error.fault)) throw error
      const nowMs = clock.monotonicMs()
      if (nowMs - loggedMs >= LOGGED_MS) {
        loggedMs = nowMs
        logger.warn({ reason: error.message },
          'waiting for the control store: the broker starts when it answers; see that etcd runs, and that --control ' +
          'names the addresses where it takes clients')
      }
    }
    await pause(delayMs, signal)
    delayMs = Math.min(2 * delayMs, BACKOFF_MS_MAX)
  }
}

function pause (delayMs: number, signal: AbortSignal | null): Promise<void> {
  return new Promise(resolve => {
    const end = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, delayMs)
    signal?.addEventListener('abort', end)
  })
}
