// What consumers do with a record, drawn by chance: mostly what they should, at times everything else.

import { setTimeout as delay } from 'node:timers/promises'
import type { SeededRandom } from '../seeded-random.js'
import type { SettleStep } from './journal.js'

/** A record under a lease, however its consumer came by it. */
export interface HeldRecord {
  readonly partition: number
  readonly offset: number
  readonly key: string | null
  readonly value: string | null
  /** Aborted when the lease is known to be lost. */
  readonly signal: AbortSignal
  /** Asks for it and waits for the answer; true where it was done. */
  settle (kind: SettleStep, delayMs?: number): Promise<boolean>
}

/** How a consumer goes about it. */
export interface Manner {
  readonly random: SeededRandom
  /** Factor on the time that it takes. */
  readonly slowness: number
}

/** Records with this in their value fail whenever they are tried. */
export const POISON = '/poison/'
const HANG_MS_MAX = 10_000

/** How it went: `done` where the record was acknowledged and nothing of its key has to wait. */
export type FateOutcome = 'done' | 'failed' | 'left'

/** Does something with a record that this process has leased. */
export async function meetFate (held: HeldRecord, { random, slowness }: Manner): Promise<FateOutcome> {
  if (held.value?.includes(POISON) === true) {
    await held.settle('nack')
    return 'failed'
  }
  const drawn = random.next()
  if (drawn < 0.04) {
    await held.settle('nack', random.between(0, 400))
    return 'failed'
  }
  if (drawn < 0.05) {
    await held.settle('reject')
    return 'failed'
  }
  if (drawn < 0.07) {
    await held.settle('release')
    return 'failed'
  }
  if (drawn < 0.08) return await hang(held, random)
  if (drawn < 0.1) {
    // Longer than the lease, unless somebody keeps it.
    await delay(random.between(500, 3_000))
  } else if (drawn < 0.13) {
    await held.settle('extend', random.between(100, 3_000))
    await delay(random.between(0, 1_000))
  } else if (drawn < 0.5) await delay(random.between(0, 20) * slowness)
  return await held.settle('ack') ? 'done' : 'failed'
}

/** Settles records that wait for each other; when one does not end well, the broker gives the rest out again. */
export async function meetInOrder (lane: readonly HeldRecord[], manner: Manner): Promise<void> {
  for (const held of lane) if (await meetFate(held, manner) !== 'done') return
}

/** Records that have to wait for each other, in the order of the log. */
export function lanesOf<R extends HeldRecord> (held: readonly R[], isOrdered: boolean): R[][] {
  if (!isOrdered) return held.map(one => [one])
  const lanes = new Map<string, R[]>()
  for (const one of held) {
    const name = `${one.partition}/${one.key}`
    lanes.set(name, [...lanes.get(name) ?? [], one])
  }
  return [...lanes.values()].map(lane => lane.sort((a, b) => a.offset - b.offset))
}

/** Never settles it: the lease ends by its time, or with the process. */
async function hang (held: HeldRecord, random: SeededRandom): Promise<FateOutcome> {
  const hangMs = random.between(100, HANG_MS_MAX)
  await delay(hangMs, undefined, { signal: held.signal }).catch(() => {})
  return 'left'
}
