// Small parts for waiting: a promise settled from outside, an abortable wait, an abortable delay, full jitter.
//
// Invariant: every listener that is put on a signal is taken off again when the wait is over, so that a signal which
// lives as long as the process does not collect them.

/** A promise with its settling functions. */
export interface Deferred<T> {
  readonly promise: Promise<T>
  resolve (value: T): void
  reject (error: unknown): void
}

/** Makes a promise that is settled from outside. */
export function deferred<T = void> (): Deferred<T> {
  let resolve!: (value: T) => void
  let reject!: (error: unknown) => void
  const promise = new Promise<T>((_resolve, _reject) => { resolve = _resolve; reject = _reject })
  return { promise, resolve, reject }
}

/** Waits for `promise`, or rejects with the reason of the signal as soon as that is aborted. */
export function abortable<T> (promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    if (signal.aborted) {
      promise.catch(() => {})
      return reject(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

/** Resolves after `ms` milliseconds; rejects with the reason of the signal when that is aborted. */
export function delay (ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(signal.reason)
    const onAbort = (): void => {
      clearTimeout(timer)
      reject(signal!.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** Waits for `promise` for at most `ms` milliseconds; true where it settled by then. Never rejects. */
export function settledWithin (promise: Promise<unknown>, ms: number): Promise<boolean> {
  return new Promise(resolve => {
    const timer = setTimeout(() => resolve(false), ms)
    const done = (): void => { clearTimeout(timer); resolve(true) }
    promise.then(done, done)
  })
}

/** How attempts are spaced: exponential, with full jitter. */
export interface Backoff {
  /** Upper bound of the first delay, in milliseconds. */
  readonly initialDelayMs: number
  /** Upper bound of every delay, in milliseconds. */
  readonly maxDelayMs: number
  /** Share of the delay that is random: 1 is full jitter, 0 none. */
  readonly jitter: number
}

/** Milliseconds to wait after failure number `failures` (1, 2, …). */
export function backoffDelayMs (backoff: Backoff, failures: number): number {
  const bound = Math.min(backoff.maxDelayMs, backoff.initialDelayMs * 2 ** Math.min(failures - 1, 30))
  return bound * (1 - backoff.jitter * Math.random())
}

const CONNECTION_FAILURES_MAX = 4

/**
 * Milliseconds to wait before a request is tried again: what the broker asks for, or the back-off. Where the connection
 * was lost it stays short: making a new one has a back-off of its own.
 */
export function retryDelayMs (
  backoff: Backoff, error: { readonly code: string, readonly retryAfterMs?: number } | null, failures: number,
): number {
  if (error?.retryAfterMs !== undefined) return error.retryAfterMs
  return backoffDelayMs(backoff, error?.code === 'CONNECTION' ? Math.min(failures, CONNECTION_FAILURES_MAX) : failures)
}
