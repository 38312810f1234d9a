// How long the holder of a lease may believe in it.
//
//   sent        received by the store            believed until         ended, at the earliest
//    ├──────────────┼───────────────────────────────────┼───── margin ──────────┤
//    └──────────────────────────── term, by our clock ──────────────────────────┘
//
// The store counts from when it has the request; the holder, from before it was sent, by its monotonic clock. The
// margin takes up clocks that run at different rates, and the time between looking and acting.

/** Of a term: what the holder gives away. */
const MARGIN_SHARE = 0.05

/** When a lease that was asked for or renewed at `sentMs`, for `ttlMs`, is no longer to be relied on. */
export function leaseEndMs (sentMs: number, ttlMs: number): number {
  return sentMs + ttlMs * (1 - MARGIN_SHARE)
}

/** How often a lease is renewed: one renewal, and the next one too, may fail. */
export function renewalIntervalMs (ttlMs: number): number {
  return ttlMs / 4
}
