import fc from 'fast-check'
import t from 'tap'
import { ResponseQueue, type ResponseSlot } from './response-queue.js'

t.test('ResponseQueue: responses leave in the order of their requests, whatever order they are ready in', async t => {
  fc.assert(fc.property(fc.array(fc.nat(), { maxLength: 60 }), priorities => {
    const sent: number[] = []
    const queue = new ResponseQueue(buffers => sent.push(buffers[0]![0]!))
    const slots = priorities.map((): ResponseSlot => queue.take())
    const order = priorities.map((priority, index) => ({ priority, index })).sort((a, b) => a.priority - b.priority)
    for (const { index } of order) queue.fill(slots[index]!, [Buffer.from([index])])
    t.same(sent, priorities.map((_, index) => index))
    t.equal(queue.length, 0)
  }), { seed: 3, numRuns: 100 })
})

t.test('ResponseQueue: a request without a response holds up nothing', async t => {
  const sent: string[] = []
  const queue = new ResponseQueue(buffers => sent.push(buffers[0]!.toString()))
  const [first, second, third] = [queue.take(), queue.take(), queue.take()]
  queue.fill(second!, [])
  queue.fill(third!, [Buffer.from('third')])
  t.same(sent, [], 'waits for the first')
  queue.fill(first!, [Buffer.from('first')])
  t.same(sent, ['first', 'third'])
})
