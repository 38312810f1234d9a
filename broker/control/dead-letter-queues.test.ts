// How dead letters are asked for: of whom, in which order, and what is said of those that may have been asked for.

import { RecordBatchBuilder, type StoreDeadLetterRequest } from '@sluice/protocol'
import t from 'tap'
import { LIMITS } from '../limits.js'
import type { PartitionTable } from '../partition/partition-table.js'
import type { LetterPlace } from '../queue/endings.js'
import { REASON } from '../queue/queue-types.js'
import type { QueuePartition } from '../queue-host/queue-surroundings.js'
import { silentLogger } from '../runtime/logger.js'
import { DeadLetterQueues } from './dead-letter-queues.js'
import type { LetterIntake } from './letter-intake.js'
import type { OtherBrokers } from './other-brokers.js'
import type { TopicRecord } from './topic-record.js'
import type { Topics } from './topics.js'

interface Asked { readonly broker: number, readonly message: StoreDeadLetterRequest, readonly bytes: number }
interface Outcome { readonly place: LetterPlace | null, readonly waitsFor: string }

type Request = [
  broker: number, api: string, message: StoreDeadLetterRequest, flag: number, timeoutMs: number, payload: Buffer,
]

/** A broker that leads queues whose dead letters all go elsewhere. */
class Sender {
  readonly asked: Asked[] = []
  topic = { topicId: 'dead', name: 'dead', kind: 'queue', partitions: 4 } as TopicRecord
  leader = 2
  epoch = 3
  /** What the other broker answers. */
  answer: (asked: Asked) => Promise<number> = async () => this.asked.length
  readonly queues: DeadLetterQueues

  constructor () {
    const others = {
      brokerId: 1,
      leaderOf: () => this.leader,
      leaderEpochOf: () => this.epoch,
      request: async (...[broker, , message, , , payload]: Request) => {
        const asked = { broker, message, bytes: payload.length }
        this.asked.push(asked)
        return { offset: await this.answer(asked) }
      },
    }
    this.queues = new DeadLetterQueues({
      topics: { byName: () => this.topic } as unknown as Topics,
      partitions: {} as PartitionTable,
      intake: { forget: () => false } as unknown as LetterIntake,
      others: others as unknown as OtherBrokers,
      logger: silentLogger,
    })
  }

  ask (source: QueuePartition, offset: number, isOld = false): Promise<Outcome> {
    const letter =
      { offset, reason: REASON.reject, text: '', diedMs: 1_000, failures: 1, deliveries: 1, attempts: [] }
    return new Promise(resolve => this.queues.append({ source, group: '', target: 'dead', letter, isOld },
      (place, waitsFor) => resolve({ place, waitsFor })))
  }
}

function sourceOf (index: number, leaderEpoch = 5): QueuePartition {
  const builder = new RecordBatchBuilder()
  builder.append(null, 'job', 1_000)
  const batch = builder.build()
  const log = { readSlice: async () => ({ buffers: [batch], sizeBytes: batch.length }) }
  return { label: `jobs/${index}`, topicId: 'jobs', topicName: 'jobs', index, leaderEpoch, log } as unknown as QueuePartition
}

t.test('DeadLetterQueues: a letter goes to the leader of its partition; asked again it may be there already', async t => {
  const sender = new Sender()
  const source = sourceOf(6)
  sender.answer = async () => { throw new Error('no answer') }
  t.same(await sender.ask(source, 7), { place: null, waitsFor: 'no answer' })
  sender.answer = async () => 42
  sender.leader = 3
  t.same(await sender.ask(source, 7), { place: { topicId: 'dead', partition: 2, offset: 42 }, waitsFor: '' })
  t.match(sender.asked, [
    { broker: 2, message: { topicId: 'dead', partition: 2, sourceEpoch: 5, ask: 1, firstEpoch: 3, offset: 7, forget: [] } },
    { broker: 3, message: { partition: 2, ask: 2, firstEpoch: -1, offset: 7 } },
  ])
  await sender.ask(source, 8, true)
  t.match(sender.asked[2], { message: { offset: 8, firstEpoch: -1 } }, 'a leader before may have asked for it')
  t.ok(sender.asked.every(({ bytes }) => bytes > 0))
})

t.test('DeadLetterQueues: what is known to be there goes with the next ask to the same partition, once', async t => {
  const sender = new Sender()
  const source = sourceOf(1)
  for (const offset of [1, 2, 3]) await sender.ask(source, offset)
  for (const offset of [1, 2, 99]) sender.queues.forget(source, '', offset)
  await sender.ask(source, 4)
  await sender.ask(source, 5)
  t.same(sender.asked.map(({ message }) => message.forget), [[], [], [], [1, 2], []])
  await sender.ask(source, 1)
  t.match(sender.asked.at(-1), { message: { firstEpoch: 3 } }, 'a new death')
})

t.test('DeadLetterQueues: without a leader it waits, and says so', async t => {
  const sender = new Sender()
  sender.leader = -1
  t.same(await sender.ask(sourceOf(1), 7), { place: null, waitsFor: 'partition dead/1 has no leader for now' })
  t.same(sender.asked, [])
})

t.test('DeadLetterQueues: in a queue that has grown it is looked for where it would have gone before', async t => {
  const sender = new Sender()
  const source = sourceOf(5)
  sender.topic = { ...sender.topic, partitions: 6, grownFrom: 3 }
  sender.answer = async ({ bytes }) => bytes === 0 ? -1 : 10
  t.match(await sender.ask(source, 1), { place: { partition: 5, offset: 10 } })
  t.equal(sender.asked.length, 1, 'nobody has asked for it before')
  t.match(await sender.ask(source, 2, true), { place: { partition: 5, offset: 10 } })
  t.match(sender.asked.slice(1), [2, 1, 0, 5].map(partition => ({ message: { partition, firstEpoch: -1 } })))
  t.same(sender.asked.slice(1).map(({ bytes }) => bytes > 0), [false, false, false, true])
  sender.answer = async ({ message: { partition }, bytes }) => partition === 1 && bytes === 0 ? 77 : -1
  t.match(await sender.ask(source, 3, true), { place: { partition: 1, offset: 77 } }, 'it is there')
})

t.test('DeadLetterQueues: a broker that does not answer holds up its own letters only, and few are on their way', async t => {
  const sender = new Sender()
  let release = (): void => {}
  const stuck = new Promise<number>(resolve => { release = () => resolve(1) })
  sender.answer = ({ broker }) => broker === 2 ? stuck : Promise.resolve(5)
  const source = sourceOf(1)
  const waiting = Array.from({ length: LIMITS.lettersPerBroker + 20 }, (_, offset) => sender.ask(source, offset))
  for (let turn = 0; turn < 20; turn++) await new Promise(resolve => setImmediate(resolve))
  t.equal(sender.asked.length, LIMITS.lettersPerBroker)
  sender.leader = 3
  t.match(await sender.ask(sourceOf(2), 1), { place: { offset: 5 } })
  release()
  t.equal((await Promise.all(waiting)).filter(({ place }) => place !== null).length, waiting.length)
  const numbers = sender.asked.filter(({ broker }) => broker === 2).map(({ message }) => message.ask)
  t.same(numbers, waiting.map((_, index) => index + 1))
})
