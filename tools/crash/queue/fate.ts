// What consumers do with a record, drawn by chance: mostly what they should, at times everything else.

import { setTimeout as delay } from 'node:timers/promises'
import type { SeededRandom } from '../seeded-random.js'
import type { JournaledRecord } from './journaled-record.js'

/** Records with this in their value fail whenever they are tried. */
export const POISON = '/poison/'
const HANG_MS_MAX = 10_000

/** How it went: `done` where the record was acknowledged and nothing of its key has to wait. */
export type FateOutcome = 'done' | 'failed' | 'left'

/** Does something with a record that this process has leased. */
export async function meetFate (leased: JournaledRecord, random: SeededRandom): Promise<FateOutcome> {
  if (leased.record.value?.includes(POISON) === true) {
    await leased.settle('nack')
    return 'failed'
  }
  const drawn = random.next()
  if (drawn < 0.04) {
    await leased.settle('nack', random.between(0, 400))
    return 'failed'
  }
  if (drawn < 0.05) {
    await leased.settle('reject')
    return 'failed'
  }
  if (drawn < 0.07) {
    await leased.settle('release')
    return 'failed'
  }
  if (drawn < 0.08) return await hang(leased, random)
  if (drawn < 0.1) {
    // Longer than the lease, unless somebody keeps it.
    await delay(random.between(500, 3_000))
  } else if (drawn < 0.13) {
    await leased.settle('extend', random.between(100, 3_000))
    await delay(random.between(0, 1_000))
  } else if (drawn < 0.5) await delay(random.between(0, 20))
  return await leased.settle('ack') ? 'done' : 'failed'
}

/** Never settles it: the lease ends by its time, or with the process. */
async function hang (leased: JournaledRecord, random: SeededRandom): Promise<FateOutcome> {
  const hangMs = random.between(100, HANG_MS_MAX)
  await delay(hangMs, undefined, { signal: leased.record.signal }).catch(() => {})
  return 'left'
}
