// Very many records leased at the same time, in one partition.

import { fill, MB, restart, type Scenario } from './scenario.js'

/** For each record in flight: 200 MB for a million. */
const RECORD_BYTES_MAX = 200
/** What is left of them once they are settled. */
const REST_BYTES_MAX = 20 * MB
/** Sessions of receivers that are gone are forgotten when their leases are over. */
const FORGOTTEN_MS_MAX = 60_000

export async function inFlight (scenario: Scenario): Promise<void> {
  const { broker, queue, sheet, records } = scenario
  await queue.create({
    maxInFlight: 1_000_000, visibilityMs: 12 * 3_600_000, sessionTimeoutMs: 1_000, disconnectGraceMs: 0,
  })
  await fill(scenario)
  const before = await broker.memory()
  // One less than the queue allows, so that something can be received still.
  const leases = records - 1
  const { ms } = await queue.lease(leases)
  sheet.note('leased', leases / ms * 1_000, 'records/s')
  const leased = await broker.memory()
  sheet.note('held with all of them leased, above before', leased.heldBytes - before.heldBytes, 'bytes',
    records * RECORD_BYTES_MAX)
  await queue.fill(2)
  const leasedStill = async (): Promise<void> => {
    await queue.firstReceive()
    const stats = await queue.stats()
    if (stats.leased !== leases) throw new Error(`${stats.leased} of ${leases} records are leased after a restart`)
  }
  await restart(scenario, 'stop', leasedStill)
  await restart(scenario, 'kill', leasedStill)
  await broker.takePeak()
  await queue.purge()
  sheet.note('longest wait of another client while they end', (await broker.takePeak()).waitMs, 'ms')
  const startedMs = performance.now()
  while ((await queue.stats()).sessions > 0 && performance.now() - startedMs < FORGOTTEN_MS_MAX) {
    await new Promise(resolve => { setTimeout(resolve, 500) })
  }
  const after = await broker.memory()
  sheet.note('held once they have ended, above before', after.heldBytes - before.heldBytes, 'bytes', REST_BYTES_MAX)
}
