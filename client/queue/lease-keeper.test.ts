import t from 'tap'
import type { BrokerError } from '../broker-error.js'
import type { Cluster } from '../connection/cluster.js'
import type { Lease } from './lease.js'
import { LeaseKeeper } from './lease-keeper.js'

type TestLease = Lease<unknown, unknown> & { lostBy: BrokerError | null }

function leaseOf (leaseEpoch: number, leaseSequence: number, topicId = 'one'): TestLease {
  const lease = {
    topic: 'q',
    topicId,
    partition: 1,
    offset: 648,
    id: '1:648',
    leaseEpoch,
    leaseSequence,
    deadlineMs: Infinity,
    lostBy: null as BrokerError | null,
    lose (error: BrokerError) { lease.lostBy ??= error },
  }
  return lease as unknown as TestLease
}

function keeperOf (): { keeper: LeaseKeeper, lost: TestLease[] } {
  const cluster = { settings: { logger: { warn: () => {} } }, events: { emit: () => {} } }
  const keeper = new LeaseKeeper(cluster as unknown as Cluster, 'q')
  const lost: TestLease[] = []
  keeper.onLost = lease => { lost.push(lease as TestLease) }
  return { keeper, lost }
}

t.test('LeaseKeeper: of two leases of a record the one that was granted last is held', async t => {
  for (const [first, second] of [[leaseOf(6, 832), leaseOf(6, 839)], [leaseOf(5, 900), leaseOf(6, 839)]] as const) {
    const { keeper, lost } = keeperOf()
    keeper.add(first)
    keeper.add(second)
    t.strictSame([keeper.size, keeper.all()[0] === second, lost.length], [1, true, 1])
    t.equal(first.lostBy?.code, 'LEASE')
    t.equal(second.lostBy, null)
  }
})

t.test('LeaseKeeper: an answer that comes late takes nothing from the lease that came before it', async t => {
  for (const [late, held] of [[leaseOf(6, 832), leaseOf(6, 839)], [leaseOf(5, 900), leaseOf(6, 839)]] as const) {
    const { keeper, lost } = keeperOf()
    keeper.add(held)
    keeper.add(late)
    t.strictSame([keeper.size, keeper.all()[0] === held, lost.length], [1, true, 0])
    t.equal(held.lostBy, null, 'the broker keeps it for this session, and for no other lease')
    t.equal(late.lostBy?.code, 'LEASE', 'nobody begins with it')
  }
})

t.test('LeaseKeeper: a queue that was made anew under its name counts from the start', async t => {
  const { keeper } = keeperOf()
  keeper.add(leaseOf(6, 832))
  const anew = leaseOf(1, 1, 'two')
  keeper.add(anew)
  t.strictSame([keeper.size, keeper.all()[0] === anew], [1, true])
})
