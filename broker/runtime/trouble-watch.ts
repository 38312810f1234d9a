// Tells the log when the meta store cannot commit, and when it can again: at the start it is all that a broker waits
// for on a full disk, and later checkpoints and topic operations wait for it.

import type { Logger } from './logger.js'

const LOOK_MS = 1_000

/** @param trouble what is wrong now, or null. @returns the function that ends the watching. */
export function watchForTrouble (trouble: () => string | null, logger: Logger): () => void {
  let told: string | null = null
  const timer = setInterval(() => {
    const now = trouble()
    if (now === told) return
    if (now !== null) logger.error({ cause: now }, 'the meta store cannot commit and tries again: free space on the disk of the data folder')
    else logger.info({}, 'the meta store commits again')
    told = now
  }, LOOK_MS)
  return () => clearInterval(timer)
}
