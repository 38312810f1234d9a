// A long backlog with few records outstanding: what the broker holds with it, and with nothing, after the same traffic.

import { fill, MB, OUTSTANDING, restart, type Scenario } from './scenario.js'

/** What 1,000 outstanding records may cost, whatever lies behind them. */
const STATE_BYTES_MAX = 5 * MB
/** How far off the figures may be, which are estimated where many keys have very much behind them. */
const ESTIMATE = 0.05
/** On a busy machine, with collections of the whole heap for the figures. */
const WAIT_MS_MAX = 3_000

/** @param keys of the records, which are then kept in order; 0 for none */
export async function backlog (scenario: Scenario, keys: number): Promise<void> {
  const { broker, queue, sheet } = scenario
  const keyOf = keyed(keys)
  await queue.create({ order: keys === 0 ? 'none' : 'key', visibilityMs: 3_600_000 })
  await fill(scenario, number => keys === 0 ? {} : { key: keyOf(number) })
  await queue.lease(OUTSTANDING)
  const full = await broker.memory()
  await restart(scenario, 'stop', () => queue.firstReceive())
  await restart(scenario, 'kill', () => queue.firstReceive())
  const restarted = await broker.memory()
  await queue.purge()
  const empty = await broker.memory()
  sheet.note(`held with ${OUTSTANDING} outstanding, above an empty queue`, restarted.heldBytes - empty.heldBytes, 'bytes',
    STATE_BYTES_MAX)
  sheet.note('held before the restarts, recent records included', full.heldBytes, 'bytes')
}

/**
 * All keys are busy, and everything behind them waits: the group has come by every record, and remembers where the
 * records of each key are.
 */
export async function blockedBacklog (scenario: Scenario, keys: number): Promise<void> {
  const { broker, queue, sheet, records } = scenario
  const keyOf = keyed(keys)
  await queue.create({ order: 'key', runMax: 1, visibilityMs: 12 * 3_600_000 })
  await fill(scenario, number => ({ key: keyOf(number) }))
  const before = await broker.memory()
  await broker.takePeak()
  await queue.lease(keys)
  const { ms } = await queue.pass(({ fresh }) => fresh === 0)
  sheet.note('looked at, none to be handed out', records / ms * 1_000, 'records/s')
  const { anonymous, waitMs } = await broker.takePeak()
  sheet.note('longest wait of another client meanwhile', waitMs, 'ms', WAIT_MS_MAX)
  sheet.note('highest memory meanwhile, above before', anonymous - before.anonymous, 'bytes', 150 * MB)
  const { heldBytes } = await broker.memory()
  sheet.note(`held with ${keys} busy keys, above before`, heldBytes - before.heldBytes, 'bytes', STATE_BYTES_MAX)
  await restart(scenario, 'kill', async () => {
    // How far the group had come may be forgotten in a crash, and where the latest records of each key are is read
    // from the log again.
    const waiting = records - keys
    await queue.pass(({ fresh, blocked }) => fresh === 0 && Math.abs(blocked - waiting) <= waiting * ESTIMATE)
  })
}

function keyed (keys: number): (number: number) => Buffer {
  const all = Array.from({ length: keys }, (_, number) => Buffer.from(`key-${number}`))
  return number => all[number % keys]!
}
