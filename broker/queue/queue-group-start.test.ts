// What is asked of a queue group whose leader has only begun, and still looks at the log.

import t from 'tap'
import { CHANGE_ANSWER } from './record-changes.js'
import { SESSION_FLAG } from './session-table.js'
import { QUEUE_LIMITS, SETTLE_ANSWER, SETTLE_KIND } from './queue-types.js'
import { QueueWorld, itemOf, receive, worldOf } from './queue-world.test.double.js'

const { OK, ALREADY_SETTLED } = SETTLE_ANSWER
const { ack, nack, start } = SETTLE_KIND

t.test('QueueGroup: what is settled while a leader still looks at the log is answered when it has (order key)', async t => {
  const world = worldOf({ order: 'key', runMax: 1 })
  for (let lane = 1; lane <= 4; lane++) world.append({ lane })
  const handles = receive(world, 1)
  world.isFeedSlow = true
  world.crash()
  const answers: unknown[] = []
  const told = (name: string) => (given: unknown): void => { answers.push([name, ...given as Uint8Array]) }
  world.group.settle([itemOf(ack, handles[0]!), itemOf(nack, handles[1]!, { delayMs: 0 })], told('settle'))
  world.group.settle([itemOf(ack, handles[0]!)], told('again'))
  world.group.settle([itemOf(ack, handles[2]!)], null)
  world.group.cancel(3, answer => answers.push(['cancel', answer]))
  world.endTurn()
  world.persist()
  t.same(answers, [], 'nobody can tell yet')
  world.load()
  world.persist()
  t.same(answers, [['settle', OK, OK], ['again', ALREADY_SETTLED], ['cancel', CHANGE_ANSWER.REQUESTED]])
  t.match(world.group.explain(2), { state: 'terminal' }, 'also what nobody wanted to hear of')
})

t.test('QueueGroup: what was said to be started stays leased, though a leader has just begun', async t => {
  const world = new QueueWorld({ order: 'key', runMax: 1 })
  world.group.openSession(1, SESSION_FLAG.explicitStart)
  for (let lane = 1; lane <= 2; lane++) world.append({ lane })
  const handles = receive(world, 1)
  world.isFeedSlow = true
  world.crash()
  world.group.settle([itemOf(start, handles[0]!)], null)
  world.group.giveBackUnstarted(1)
  world.group.giveBackUnstarted(1)
  world.load()
  world.persist()
  t.same([0, 1].map(offset => world.group.explain(offset).state), ['leased', 'ready'])
})

t.test('QueueGroup: what waits for a leader to begin is told when it ends before that, and is bounded', async t => {
  const world = worldOf({ order: 'key' })
  world.append({ lane: 1 })
  const [handle] = receive(world, 1)
  world.isFeedSlow = true
  world.crash()
  const answers: (Uint8Array | null)[] = []
  for (let count = 0; count <= QUEUE_LIMITS.requestsHeld; count++) {
    world.group.settle([itemOf(ack, handle!)], given => answers.push(given))
  }
  world.endTurn()
  world.persist()
  t.same(answers.map(given => [...given!]), [[SETTLE_ANSWER.BUSY]])
  world.group.stop()
  t.equal(answers.length, QUEUE_LIMITS.requestsHeld + 1)
  t.ok(answers.slice(1).every(given => given === null))
})

t.test('QueueGroup: records that wait in their key are not lost when a duplicate ends before the leader has looked (order fair)', async t => {
  const world = worldOf({ order: 'fair' })
  for (let count = 0; count < 2; count++) world.append({ lane: 7 })
  const [handle] = receive(world, 1, 1)
  world.settleNow(ack, handle!)
  world.isFeedSlow = true
  world.crash()
  world.append({ lane: 7 })
  const ended: boolean[] = []
  world.group.endDuplicates([2], isDurable => ended.push(isDurable))
  world.endTurn()
  world.persist()
  t.same(ended, [], 'nobody can tell yet what its key has')
  world.load()
  world.persist()
  t.same(ended, [true])
  world.group.openSession(1, 0)
  t.same(receive(world, 1).map(({ offset }) => offset), [1])
})

t.test('QueueGroup: records that wait in their key are not lost when a dead letter is stored before the leader has looked (order fair)', async t => {
  const world = worldOf({ order: 'fair', maxAttempts: 1 })
  for (let count = 0; count < 2; count++) world.append({ lane: 7 })
  const [handle] = receive(world, 1, 1)
  world.settleNow(nack, handle!)
  world.isFeedSlow = true
  world.crash()
  world.persist()
  t.same(world.asked.map(({ offset }) => offset), [0])
  world.answerLetters('appended')
  world.persist()
  t.match(world.group.explain(0), { state: 'dead-letter-pending' }, 'nobody can tell yet what its key has')
  world.load()
  world.persist()
  t.match(world.group.explain(0), { state: 'terminal' })
  world.group.openSession(1, 0)
  t.same(receive(world, 1).map(({ offset }) => offset), [1])
})
