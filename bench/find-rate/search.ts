// Looks for the highest rate that is sustained, by trying rates.
//
//   start ──▶ ×2 ×2 ×2 … until one is not sustained ──▶ halve the gap, in ratios, until it is small enough
//         └─▶ ÷2 ÷2 … where the first one is not
//
// Each trial costs seconds, and near the limit its answer is a matter of luck: it looks no closer than `precision`.

/** How a trial went. */
export interface Trial { readonly rate: number, readonly sustained: boolean }

export interface SearchOptions {
  /** The first rate to try, in records a second. */
  readonly startRate: number
  /** Rates beyond are not tried. */
  readonly maxRate: number
  /** It ends when the sustained rate and the one that is not are closer than this ratio, above 1. */
  readonly precision: number
}

/** The highest rate found to be sustained, in whole records a second; null where not even one a second is. */
export async function searchRate (
  { startRate, maxRate, precision }: SearchOptions, isSustained: (rate: number) => Promise<boolean>,
): Promise<number | null> {
  let sustained: number | null = null
  let missed = Infinity
  let rate = Math.min(startRate, maxRate)
  for (;;) {
    if (await isSustained(rate)) {
      sustained = rate
      if (rate === maxRate) return sustained
      rate = missed === Infinity ? Math.min(maxRate, rate * 2) : between(rate, missed)
    } else {
      missed = rate
      if (rate === 1) return null
      rate = sustained === null ? Math.max(1, Math.floor(rate / 2)) : between(sustained, rate)
    }
    if (sustained !== null && (missed / sustained < precision || rate <= sustained || rate >= missed)) return sustained
  }
}

function between (low: number, high: number): number {
  return Math.round(Math.sqrt(low * high))
}
