import t from 'tap'
import { LeaseNotices, NOTICE_KIND, type Notice } from './lease-notices.js'
import { SessionTable } from './session-table.js'

const session = new SessionTable().put(1, 77, 0)

function lost (offset: number): Notice {
  return { kind: NOTICE_KIND.lost, offset, leaseEpoch: 1, leaseSequence: 100 + offset }
}

function offsetsOf (notices: LeaseNotices, max: number): number[] {
  return notices.take(session, max).notices.map(({ offset }) => offset)
}

t.test('Lease notices: told three times, then forgotten', async t => {
  const notices = new LeaseNotices()
  notices.add(1, lost(5), 0)
  notices.add(2, lost(6), 0)
  for (let heartbeat = 0; heartbeat < 3; heartbeat++) t.same(offsetsOf(notices, 10), [5])
  t.same(notices.take(session, 10), { notices: [], more: false })
  t.equal(notices.size, 1, 'of the other session')
  notices.forget(2)
  t.equal(notices.size, 0)
})

t.test('Lease notices: what was never told comes first, and more says that there is such', async t => {
  const notices = new LeaseNotices()
  for (let offset = 0; offset < 5; offset++) notices.add(1, lost(offset), 0)
  t.match(notices.take(session, 3), { notices: { length: 3 }, more: true })
  const second = notices.take(session, 3)
  t.same(second.notices.map(({ offset }) => offset), [3, 4, 0])
  t.equal(second.more, false, 'repeats alone are no reason to hurry')
})

t.test('Lease notices: a lease has one, the last', async t => {
  const notices = new LeaseNotices()
  notices.add(1, { ...lost(5), kind: NOTICE_KIND.cancelRequested }, 0)
  notices.add(1, lost(5), 0)
  t.match(notices.take(session, 10).notices, [{ kind: NOTICE_KIND.lost, offset: 5 }])
})

t.test('Lease notices: bounded for each session', async t => {
  const notices = new LeaseNotices()
  for (let offset = 0; offset < 12_000; offset++) notices.add(1, lost(offset), 0)
  t.ok(notices.size <= 10_000 && notices.size >= 9_000, `${notices.size} are kept`)
  t.same(offsetsOf(notices, 1), [12_000 - notices.size], 'the oldest are forgotten')
})
