// Tables of typed arrays, one per column, that grow together.

/** Above so many rows a table grows by a quarter instead of by half: what is not used costs more than copying. */
const ROWS_LARGE = 65_536

interface Column {
  set (from: ArrayLike<number>): void
  subarray (start: number, end: number): ArrayLike<number>
}

/** How many rows a table that is full gets room for. */
export function grownCapacity (capacity: number): number {
  return capacity + (capacity < ROWS_LARGE ? capacity >> 1 : capacity >> 2)
}

/** A column in its new array: the first `used` rows. */
export function moved<T extends Column> (from: T, to: T, used: number): T {
  to.set(from.subarray(0, used))
  return to
}
