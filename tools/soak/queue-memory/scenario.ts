// What every scenario of `queue-memory` is given, and what they have in common.

import type { FigureSheet } from '../figure-sheet.js'
import type { SoakedBroker } from '../soaked-broker.js'
import type { SoakedQueue } from './soaked-queue.js'

export interface Scenario {
  readonly broker: SoakedBroker
  readonly queue: SoakedQueue
  readonly sheet: FigureSheet
  /** How many records it is about. */
  readonly records: number
}

export const MB = 1e6

/** Records that are outstanding in front of a backlog. */
export const OUTSTANDING = 1_000

/** Sends records of 100 bytes and takes down how fast. */
export async function fill ({ queue, sheet, records }: Scenario, ...how: Tail<Parameters<SoakedQueue['fill']>>): Promise<void> {
  const { ms } = await queue.fill(records, ...how)
  sheet.note('sent, records of 100 B', records / ms * 1_000, 'records/s')
}

type Tail<T extends unknown[]> = T extends [unknown, ...infer Rest] ? Rest : never

/**
 * Restarts the broker and takes down how long it takes until it serves and until `ready` is done, and what it takes of
 * memory on the way.
 */
export async function restart (
  { broker, sheet }: Scenario, how: 'stop' | 'kill' | 'lost-meta', ready: () => Promise<unknown>,
): Promise<void> {
  const after = how === 'stop' ? 'after a stop' : how === 'kill' ? 'after kill -9' : 'without its meta store'
  const { readyMs, stopMs } = await broker.restart(how)
  if (how === 'stop') sheet.note('stopping', stopMs, 'ms')
  sheet.note(`started ${after}`, readyMs, 'ms')
  const startedMs = performance.now()
  await ready()
  sheet.note(`and at work, ${after}`, performance.now() - startedMs, 'ms')
  sheet.note(`highest memory ${after}`, (await broker.takePeak()).anonymous, 'bytes')
}
