import fc from 'fast-check'
import t from 'tap'
import { ResponseQueue, type ResponseSlot } from './response-queue.js'

t.test('ResponseQueue: responses leave in the order of their requests, whatever order they are ready in', async t => {
  fc.assert(fc.property(fc.array(fc.nat(), { maxLength: 60 }), priorities => {
    const sent: number[] = []
    const queue = new ResponseQueue(buffers => sent.push(buffers[0]![0]!))
    const slots = priorities.map((): ResponseSlot => queue.take())
    const order = priorities.map((priority, index) => ({ priority, index })).sort((a, b) => a.priority - b.priority)
    for (const { index } of order) queue.fill(slots[index]!, [Buffer.from([index])], 1)
    t.same(sent, priorities.map((_, index) => index))
    t.same([queue.length, queue.waitingBytes], [0, 0])
  }), { seed: 3, numRuns: 100 })
})

t.test('ResponseQueue: a request without a response holds up nothing', async t => {
  const sent: string[] = []
  const queue = new ResponseQueue(buffers => sent.push(buffers[0]!.toString()))
  const [first, second, third] = [queue.take(), queue.take(), queue.take()]
  queue.fill(second!, [], 0)
  queue.fill(third!, [Buffer.from('third')], 5)
  t.same(sent, [], 'waits for the first')
  t.equal(queue.waitingBytes, 5)
  queue.fill(first!, [Buffer.from('first')], 5)
  t.same(sent, ['first', 'third'])
})

t.test('ResponseQueue: tells who comes to the front, once, and not who is there from the beginning', async t => {
  const queue = new ResponseQueue(() => {})
  const [first, second] = [queue.take(), queue.take()]
  let told = 0
  second!.onFirst = () => told++
  t.same([queue.isFirst(first!), queue.isFirst(second!)], [true, false])
  queue.fill(first!, [Buffer.from('a')], 1)
  t.same([queue.isFirst(second!), told], [true, 1])
  queue.fill(second!, [Buffer.from('b')], 1)
  t.equal(told, 1)
})
