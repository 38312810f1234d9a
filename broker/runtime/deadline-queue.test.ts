import fc from 'fast-check'
import t from 'tap'
import { DeadlineQueue } from './deadline-queue.js'

t.test('DeadlineQueue: what is due runs, earliest first, each once', async t => {
  const entry = fc.record({ due: fc.integer({ min: 0, max: 50 }), cancel: fc.boolean() })
  fc.assert(fc.property(fc.array(entry), entries => {
    const queue = new DeadlineQueue()
    const ran: number[] = []
    const added = entries.map(({ due }) => queue.add(due, () => ran.push(due)))
    entries.forEach(({ cancel }, index) => { if (cancel) queue.cancel(added[index]!) })
    const expected = entries.filter(entry => !entry.cancel).map(entry => entry.due).sort((a, b) => a - b)
    t.equal(queue.size, expected.length)
    queue.tick(25)
    t.same(ran, expected.filter(due => due <= 25))
    queue.tick(50)
    t.same(ran, expected)
    t.equal(queue.size, 0)
  }), { seed: 2, numRuns: 200 })
})

t.test('DeadlineQueue: a deadline cancelled twice, or after it ran, changes nothing', async t => {
  const queue = new DeadlineQueue()
  let runs = 0
  const first = queue.add(1, () => runs++)
  const second = queue.add(2, () => runs++)
  queue.cancel(first)
  queue.cancel(first)
  t.equal(queue.size, 1)
  queue.tick(5)
  queue.cancel(second)
  t.equal(runs, 1)
  t.equal(queue.size, 0)
})

t.test('DeadlineQueue: a deadline added by another that runs is kept', async t => {
  const queue = new DeadlineQueue()
  const ran: string[] = []
  queue.add(1, () => {
    ran.push('first')
    queue.add(1, () => ran.push('second'))
    queue.add(9, () => ran.push('later'))
  })
  queue.tick(2)
  t.same(ran, ['first', 'second'])
  t.equal(queue.nextDueMs, 9)
})

t.test('DeadlineQueue: cancelled deadlines do not pile up', async t => {
  const queue = new DeadlineQueue()
  for (let index = 0; index < 100_000; index++) queue.cancel(queue.add(1_000_000, () => {}))
  t.equal(queue.size, 0)
  t.ok(queue.heldEntries < 5000, 'memory stays bounded')
})
