// Time, as the broker sees it. Decisions use the monotonic clock only; the wall clock is for timestamps that people
// read and for ages that must outlive a restart.

/** Where time comes from. */
export interface Clock {
  /** Milliseconds since 1970-01-01 UTC; may jump either way. */
  wallMs (): number
  /** Milliseconds since an arbitrary start; never goes back. */
  monotonicMs (): number
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
}
