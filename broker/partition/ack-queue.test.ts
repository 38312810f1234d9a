import t from 'tap'
import { AckQueue } from './ack-queue.js'

t.test('AckQueue: answers exactly what the offset covers, in order', async t => {
  const queue = new AckQueue()
  const answered: number[] = []
  for (const end of [3, 5, 5, 9]) queue.push(end, error => { t.equal(error, 0); answered.push(end) })
  queue.completeUpTo(4)
  t.same(answered, [3])
  queue.completeUpTo(5)
  t.same(answered, [3, 5, 5])
  t.equal(queue.length, 1)
})

t.test('AckQueue: failing answers all that wait, once', async t => {
  const queue = new AckQueue()
  const answers: string[] = []
  queue.push(1, (error, message) => answers.push(`${error} ${message}`))
  queue.push(2, (error, message) => answers.push(`${error} ${message}`))
  queue.failAll(50, 'disk full')
  queue.completeUpTo(10)
  t.same(answers, ['50 disk full', '50 disk full'])
})

t.test('AckQueue: a callback may push and fail again (reentrancy)', async t => {
  const queue = new AckQueue()
  const answers: string[] = []
  queue.push(1, () => {
    answers.push('first')
    queue.push(2, error => answers.push(`second ${error}`))
  })
  queue.completeUpTo(1)
  queue.completeUpTo(2)
  t.same(answers, ['first', 'second 0'])
})

t.test('AckQueue: what is answered is let go (many entries)', async t => {
  const queue = new AckQueue()
  let answered = 0
  for (let end = 1; end <= 10_000; end++) {
    queue.push(end, () => answered++)
    if (end > 5) queue.completeUpTo(end - 5)
  }
  t.equal(queue.length, 5)
  t.equal(answered, 9_995)
})
