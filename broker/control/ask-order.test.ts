// Requests that come too late are told from those that do not.

import t from 'tap'
import { AskOrder } from './ask-order.js'

t.test('AskOrder: what comes behind a later request is refused, what comes twice too', async t => {
  const order = new AskOrder(10)
  t.ok(order.takes('a', 3, 7))
  t.notOk(order.takes('a', 3, 7), 'twice')
  t.ok(order.takes('a', 3, 9))
  t.notOk(order.takes('a', 3, 8), 'overtaken')
  t.ok(order.takes('b', 1, 1), 'another owner')
})

t.test('AskOrder: a higher epoch counts anew, and ends the one before', async t => {
  const order = new AskOrder(10)
  t.ok(order.takes('a', 3, 100))
  t.ok(order.isCurrent('a', 3))
  t.ok(order.takes('a', 4, 1))
  t.notOk(order.takes('a', 3, 101))
  t.notOk(order.isCurrent('a', 3))
  t.ok(order.isCurrent('a', 4))
  t.ok(order.isCurrent('nobody', 0))
})

t.test('AskOrder: who was silent longest is forgotten (more owners than are remembered)', async t => {
  const order = new AskOrder(2)
  for (const owner of ['a', 'b', 'a', 'c']) order.takes(owner, 1, owner === 'a' ? order.isCurrent('b', 0) ? 1 : 2 : 1)
  t.notOk(order.takes('a', 1, 1), 'a was here after b')
  t.ok(order.takes('b', 1, 1), 'forgotten')
})
