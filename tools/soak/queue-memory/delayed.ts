// Very many records for next month: disk, not memory. Some of them are cancelled, one is brought forward and has to
// come in time, over restarts too.

import { fill, MB, restart, type Scenario } from './scenario.js'
import type { SoakedQueue } from './soaked-queue.js'

const MONTH_MS = 30 * 86_400_000
const HELD_BYTES_MAX = 20 * MB
const PEAK_BYTES_MAX = 400 * MB
/** How late a record may come. */
const LATE_MS_MAX = 1_000
const SOON_MS = 1_500
const CANCELLED = 1_000

export async function delayed (scenario: Scenario): Promise<void> {
  const { broker, queue, sheet, records } = scenario
  await queue.create({ visibilityMs: 3_600_000 })
  await fill(scenario, number => ({ delayMs: MONTH_MS + number % 86_400_000 }))
  const before = await broker.memory()
  await broker.takePeak()
  const { ms } = await queue.pass(stats => stats.delayed >= records)
  sheet.note('put off to the disk', records / ms * 1_000, 'records/s')
  const { anonymous, waitMs } = await broker.takePeak()
  sheet.note('longest wait of another client meanwhile', waitMs, 'ms')
  sheet.note('highest memory meanwhile, above before', anonymous - before.anonymous, 'bytes', PEAK_BYTES_MAX)
  const { heldBytes } = await broker.memoryAtRest()
  sheet.note('held with all of them delayed, above before', heldBytes - before.heldBytes, 'bytes', HELD_BYTES_MAX)
  for (const [name, bytes] of await broker.diskUse()) if (bytes > MB) sheet.note(`on disk: ${name}`, bytes, 'bytes')
  sheet.note('late, one brought forward', await late(queue, 17, () => Promise.resolve()), 'ms', LATE_MS_MAX)
  await restart(scenario, 'stop', () => queue.stats())
  const overKill = await late(queue, records - 1, () => restart(scenario, 'kill', () => queue.stats()))
  sheet.note('late, one brought forward before kill -9', overKill, 'ms', LATE_MS_MAX)
  const cancelMs = await cancel(queue, records)
  sheet.note('cancelled', CANCELLED / cancelMs * 1_000, 'records/s')
  await restart(scenario, 'lost-meta', () => queue.stats())
  const { delayed } = await queue.stats()
  if (delayed !== records - CANCELLED - 2) throw new Error(`${delayed} records are delayed instead of ${records - CANCELLED - 2}`)
  sheet.note('late, one brought forward without the meta store', await late(queue, records - 2, () => Promise.resolve()), 'ms',
    LATE_MS_MAX)
  await broker.takePeak()
  await queue.purge()
  sheet.note('longest wait of another client while they end', (await broker.takePeak()).waitMs, 'ms')
  const empty = await broker.memoryAtRest()
  sheet.note('held when they have ended', empty.heldBytes, 'bytes')
}

/** Brings a record forward and says how late it comes, not counting the time that the broker is away. */
async function late (queue: SoakedQueue, offset: number, meanwhile: () => Promise<void>): Promise<number> {
  let dueAtMs = 0
  await queue.useQueue(async queue => {
    dueAtMs = performance.now() + SOON_MS
    await queue.reschedule(`0:${offset}`, { delayMs: SOON_MS })
  })
  await meanwhile()
  const fromMs = Math.max(dueAtMs, performance.now())
  await queue.useQueue(async queue => {
    const [record] = await queue.receive({ waitMs: 30_000 })
    if (record?.offset !== offset) throw new Error(`record ${record?.offset} came instead of ${offset}`)
    await record.ack()
  })
  return performance.now() - fromMs
}

/** Cancels records here and there. */
async function cancel (queue: SoakedQueue, records: number): Promise<number> {
  const startedMs = performance.now()
  await queue.useQueue(async queue => {
    const step = Math.floor((records - 100) / CANCELLED)
    await Promise.all(Array.from({ length: CANCELLED }, async (_, index) => {
      const outcome = await queue.cancel(`0:${50 + index * step}`)
      if (outcome !== 'ok') throw new Error(`a delayed record was answered ${outcome} when it was cancelled`)
    }))
  })
  return performance.now() - startedMs
}
