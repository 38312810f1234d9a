import t from 'tap'
import { deferred, type Deferred } from '../waiting.js'
import { BrokerError } from '../broker-error.js'
import type { Lease } from './lease.js'
import type { PollBounds } from './receiver.js'
import { SharedPolls } from './shared-polls.js'

type TestLease = Lease<unknown, unknown>

/** Polls that are answered by hand. */
function setUp (): {
  polls: SharedPolls<unknown, unknown>
  seen: { bounds: PollBounds, answer: Deferred<TestLease[]> }[]
  leftOver: TestLease[]
} {
  const seen: { bounds: PollBounds, answer: Deferred<TestLease[]> }[] = []
  const leftOver: TestLease[] = []
  const polls = new SharedPolls<unknown, unknown>(bounds => {
    const answer = deferred<TestLease[]>()
    seen.push({ bounds, answer })
    return answer.promise
  }, leases => leftOver.push(...leases))
  return { polls, seen, leftOver }
}

const leasesOf = (first: number, count: number, sizeBytes = 10): TestLease[] =>
  Array.from({ length: count }, (_, index) => ({ offset: first + index, sizeBytes }) as TestLease)
const offsetsOf = (leases: readonly TestLease[]): number[] => leases.map(({ offset }) => offset)
const nextTurn = (): Promise<void> => new Promise(resolve => { setImmediate(resolve) })
const bounds = (maxRecords: number, maxWaitMs = 20_000, maxBytes = 1_000): PollBounds =>
  ({ maxRecords, maxWaitMs, maxBytes })

t.test('Shared polls: what is asked for in one turn is one poll, dealt out in the order of asking', async t => {
  const { polls, seen, leftOver } = setUp()
  const asked = [polls.ask(bounds(1)), polls.ask(bounds(3, 500)), polls.ask(bounds(2, 9_000, 4_000))]
  await nextTurn()
  t.equal(seen.length, 1)
  t.match(seen[0]!.bounds, { maxRecords: 6, maxBytes: 4_000 })
  t.ok(seen[0]!.bounds.maxWaitMs <= 500, 'nobody waits longer than asked')
  seen[0]!.answer.resolve(leasesOf(10, 5))
  t.same((await Promise.all(asked)).map(offsetsOf), [[10], [11, 12, 13], [14]])
  t.same(leftOver, [])
})

t.test('Shared polls: who comes away empty may ask again', async t => {
  const { polls, seen } = setUp()
  const asked = [polls.ask(bounds(2)), polls.ask(bounds(2))]
  await nextTurn()
  seen[0]!.answer.resolve(leasesOf(0, 2))
  t.same((await Promise.all(asked)).map(offsetsOf), [[0, 1], []])
  const again = polls.ask(bounds(2))
  await nextTurn()
  seen[1]!.answer.resolve(leasesOf(2, 1))
  t.same(offsetsOf(await again), [2])
})

t.test('Shared polls: a share keeps to its bytes, but for one record; what nobody has room for is left over', async t => {
  const { polls, seen, leftOver } = setUp()
  const asked = [polls.ask(bounds(10, 9_000, 100)), polls.ask(bounds(10, 9_000, 30)), polls.ask(bounds(1, 9_000, 5))]
  await nextTurn()
  seen[0]!.answer.resolve(leasesOf(0, 8, 20))
  t.same((await Promise.all(asked)).map(offsetsOf), [[0, 1, 2, 3, 4], [5], [6]])
  t.same(offsetsOf(leftOver), [7])
})

t.test('Shared polls: one that asks alone is given what the broker sent', async t => {
  const { polls, seen } = setUp()
  const asked = polls.ask(bounds(5, 9_000, 30))
  await nextTurn()
  seen[0]!.answer.resolve(leasesOf(0, 5, 20))
  t.equal((await asked).length, 5)
})

t.test('Shared polls: what comes while two are under way shares the next one', async t => {
  const { polls, seen } = setUp()
  const first = polls.ask(bounds(1))
  await nextTurn()
  const second = polls.ask(bounds(1))
  await nextTurn()
  const others = [polls.ask(bounds(1)), polls.ask(bounds(1)), polls.ask(bounds(1))]
  t.equal(seen.length, 2)
  seen[0]!.answer.resolve(leasesOf(0, 1))
  t.same(offsetsOf(await first), [0])
  await nextTurn()
  t.match(seen[2]!.bounds, { maxRecords: 3 })
  seen[2]!.answer.resolve(leasesOf(1, 3))
  t.same((await Promise.all(others)).map(offsetsOf), [[1], [2], [3]])
  seen[1]!.answer.resolve([])
  t.same(await second, [])
})

t.test('Shared polls: parked polls hold up nobody', async t => {
  const { polls, seen } = setUp()
  for (let index = 0; index < 2; index++) {
    polls.ask(bounds(1)).catch(() => {})
    await nextTurn()
  }
  const late = [polls.ask(bounds(1)), polls.ask(bounds(1))]
  while (seen.length < 3) await nextTurn()
  t.match(seen[2]!.bounds, { maxRecords: 2 })
  seen[2]!.answer.resolve(leasesOf(0, 2))
  t.same((await Promise.all(late)).map(offsetsOf), [[0], [1]])
})

t.test('Shared polls: who does not want to wait asks alone, and at once', async t => {
  const { polls, seen } = setUp()
  const asked = [polls.ask(bounds(1)), polls.ask(bounds(4, 0))]
  t.match(seen.map(({ bounds }) => bounds), [{ maxRecords: 4, maxWaitMs: 0 }])
  seen[0]!.answer.resolve([])
  t.same(await asked[1], [])
  await nextTurn()
  seen[1]!.answer.resolve(leasesOf(0, 1))
  t.same(offsetsOf(await asked[0]!), [0])
})

t.test('Shared polls: a poll is for at most 1,000 records, but for a single asker', async t => {
  const { polls, seen } = setUp()
  const asked = [5_000, 600, 400, 1].map(maxRecords => polls.ask(bounds(maxRecords)))
  await nextTurn()
  t.match(seen.map(({ bounds }) => bounds.maxRecords), [5_000, 1_000])
  seen[0]!.answer.resolve(leasesOf(0, 2))
  seen[1]!.answer.resolve(leasesOf(2, 2))
  t.same((await Promise.all(asked.slice(0, 3))).map(offsetsOf), [[0, 1], [2, 3], []])
  await nextTurn()
  t.equal(seen[2]!.bounds.maxRecords, 1)
})

t.test('Shared polls: a failure is told to all who shared it, and the next poll goes on', async t => {
  const { polls, seen } = setUp()
  const asked = [polls.ask(bounds(1)), polls.ask(bounds(1))]
  await nextTurn()
  seen[0]!.answer.reject(new BrokerError('CONNECTION', 'lost', { retriable: true }))
  for (const ask of asked) await t.rejects(ask, { code: 'CONNECTION' })
  const again = polls.ask(bounds(1))
  await nextTurn()
  seen[1]!.answer.resolve(leasesOf(0, 1))
  t.same(offsetsOf(await again), [0])
})

t.test('Shared polls: a closed one leaves nobody waiting who was not asked for', async t => {
  const { polls, seen } = setUp()
  for (let index = 0; index < 2; index++) {
    polls.ask(bounds(1)).catch(() => {})
    await nextTurn()
  }
  const late = polls.ask(bounds(1))
  polls.close()
  t.same(await late, [])
  t.equal(seen.length, 2)
})
