// Sessions at a broker that has begun to lead a partition while their clients were connected to it already.

import t from 'tap'
import type { Connection } from '../net/connection.js'
import { SETTLE_KIND } from '../queue/queue-types.js'
import { itemOf, QueueWorld, receive } from '../queue/queue-world.test.double.js'
import { SESSION_FLAG } from '../queue/session-table.js'
import type { HostedQueueGroup } from '../queue-host/hosted-queue-group.js'
import { QueueSession } from './queue-session.js'

function groupOf (world: QueueWorld): HostedQueueGroup {
  return { isStopped: false, turn: () => world.group } as unknown as HostedQueueGroup
}

function sessionOf (flags: number): QueueSession {
  return new QueueSession(1, flags, '', { onClosed: new Set() } as unknown as Connection)
}

t.test('QueueSession: what the leader before has granted, and the client never heard of, is given back (no new connection)', t => {
  const flags = SESSION_FLAG.explicitStart | SESSION_FLAG.renews
  const world = new QueueWorld({ order: 'key', runMax: 1 })
  world.group.openSession(1, flags)
  for (let lane = 1; lane <= 2; lane++) world.append({ lane })
  const handles = receive(world, 1)
  world.group.settle([itemOf(SETTLE_KIND.start, handles[0]!)], null)
  world.endTurn()
  world.persist()
  world.crash()
  const session = sessionOf(flags)
  session.join(groupOf(world))
  session.giveBackUnstarted()
  t.same([0, 1].map(offset => world.group.explain(offset).state), ['leased', 'ready'], 'the one that was started stays')
  t.end()
})

t.test('QueueSession: what it gets itself stays leased', t => {
  const flags = SESSION_FLAG.explicitStart | SESSION_FLAG.renews
  const world = new QueueWorld({})
  world.append()
  const session = sessionOf(flags)
  const group = groupOf(world)
  session.join(group)
  receive(world, 1)
  session.join(group)
  session.giveBackUnstarted()
  t.match(world.group.explain(0), { state: 'leased' })
  t.end()
})
