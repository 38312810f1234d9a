// Many small asynchronous jobs, so many at a time and no object per job that waits.

/**
 * Runs `job` for 0 to `count` - 1, at most `atOnce` at a time. After a failure no further job begins; rejects with the
 * first failure once those under way have ended.
 */
export async function forEachAtOnce (
  count: number, atOnce: number, job: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0
  let failure: { cause: unknown } | null = null
  const work = async (): Promise<void> => {
    while (next < count && failure === null) {
      try {
        await job(next++)
      } catch (cause) {
        failure ??= { cause }
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, work))
  if (failure !== null) throw (failure as { cause: unknown }).cause
}
