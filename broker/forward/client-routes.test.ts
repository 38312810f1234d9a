// The ways of a client to other brokers end with its connection.

import { API_KEY } from '@sluice/protocol'
import t from 'tap'
import type { ClusterView } from '../control/cluster-view.js'
import type { Connection } from '../net/connection.js'
import { systemClock } from '../runtime/clock.js'
import { ClientRoute } from './client-routes.js'
import type { UpstreamAnswer } from './upstream.js'

t.test('ClientRoute: who asks in the name of a client that has gone is told so at once, and nothing stays open', async t => {
  const client = { hello: null, maxFrameBytes: 1 << 20, isCongested: false } as Connection
  const route = new ClientRoute(client, { addressOf: () => null } as unknown as ClusterView, systemClock)
  route.close()
  const upstream = route.to(2)
  t.ok(upstream.isGone)
  const answers: UpstreamAnswer[] = []
  const head = upstream.headOf(API_KEY.fetch, 1)
  upstream.send(head, [Buffer.alloc(16)], Infinity, answer => answers.push(answer))
  t.match(answers, [{ frame: null, message: /retry/ }])
})
