import t from 'tap'
import { ByteBudget } from './byte-budget.js'

t.test('ByteBudget: who waits is called in turn, as far as there is room', async t => {
  const budget = new ByteBudget(10)
  budget.add(30)
  const called: string[] = []
  for (const name of ['a', 'b', 'c']) {
    budget.whenRoom(() => {
      called.push(name)
      budget.add(6)
    })
  }
  budget.release(15)
  t.same(called, [], 'still used up')
  budget.release(10)
  t.same(called, ['a'], '5 and 6 are above 10')
  budget.release(11)
  t.same(called, ['a', 'b', 'c'])
})

t.test('ByteBudget: ten thousand who wait and release at once are all served (no deep recursion)', async t => {
  const budget = new ByteBudget(1)
  budget.add(1)
  let served = 0
  for (let count = 0; count < 10_000; count++) {
    budget.whenRoom(() => {
      budget.add(1)
      served++
      budget.release(1)
    })
  }
  budget.release(1)
  t.equal(served, 10_000)
  t.equal(budget.usedBytes, 0)
})

t.test('ByteBudget: one at a time may go over the bound; the next is the one that waited longest', async t => {
  const budget = new ByteBudget(10)
  budget.add(10)
  const called: string[] = []
  const [first, second, third] = ['first', 'second', 'third'].map(name => {
    const resume = (): void => {
      called.push(name)
      if (name !== 'second') budget.overdraw(resume)
    }
    return resume
  })
  t.equal(budget.overdraw(first!), true)
  t.equal(budget.overdraw(first!), true, 'again by the same')
  t.equal(budget.overdraw(second!), false)
  budget.whenRoom(second!)
  budget.whenRoom(third!)
  budget.endOverdraft(second!)
  t.same(called, [], 'it is not its to pass on')
  budget.endOverdraft(first!)
  t.same(called, ['second', 'third'], 'one that has no use for it passes it on')
  t.equal(budget.overdraw(first!), false)
})
