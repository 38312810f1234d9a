import fc from 'fast-check'
import t from 'tap'
import { OffsetTracker } from './offset-tracker.js'

t.test('OffsetTracker: committable is what is done without a gap', async t => {
  const tracker = new OffsetTracker(10)
  t.equal(tracker.committable, 10)
  for (const offset of [10, 11, 15, 16]) tracker.deliver(offset)
  t.ok(tracker.ack(11))
  t.equal(tracker.committable, 10)
  t.ok(tracker.ack(10))
  t.equal(tracker.committable, 15)
  t.notOk(tracker.ack(10), 'done before')
  t.notOk(tracker.ack(12), 'never handed out')
  t.ok(tracker.ack(16))
  t.equal(tracker.outstanding, 1)
  t.ok(tracker.ack(15))
  t.equal(tracker.committable, 17)
  tracker.passTo(20)
  t.equal(tracker.committable, 20)
})

t.test('OffsetTracker: rewinding forgets what was handed out', async t => {
  const tracker = new OffsetTracker(0)
  for (let offset = 0; offset < 5; offset++) tracker.deliver(offset)
  tracker.ack(0)
  tracker.ack(3)
  tracker.rewind(2)
  t.equal(tracker.outstanding, 1)
  t.notOk(tracker.ack(4))
  tracker.ack(1)
  t.equal(tracker.committable, 2)
  tracker.seek(100)
  t.equal(tracker.committable, 100)
})

t.test('OffsetTracker: agrees with a plain model', async t => {
  const step = fc.oneof(
    fc.record({ what: fc.constant('deliver' as const), value: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ what: fc.constant('ack' as const), value: fc.integer({ min: 0, max: 60 }) }),
    fc.record({ what: fc.constant('rewind' as const), value: fc.integer({ min: 0, max: 60 }) }))
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), steps => {
    const tracker = new OffsetTracker(0)
    let next = 0
    let handed = new Map<number, boolean>()
    for (const { what, value } of steps) {
      if (what === 'deliver') {
        next += value
        handed.set(next - 1, false)
        tracker.deliver(next - 1)
      } else if (what === 'ack') {
        const expected = handed.get(value) === false
        if (tracker.ack(value) !== expected) return false
        if (expected) handed.set(value, true)
      } else {
        // Only what is not done is ever given back.
        if (handed.get(value) !== false) continue
        tracker.rewind(value)
        handed = new Map([...handed].filter(([offset]) => offset < value))
        next = value
      }
      const open = [...handed].filter(([, done]) => !done).map(([offset]) => offset)
      if (tracker.outstanding !== open.length) return false
      if (tracker.committable !== (open.length > 0 ? Math.min(...open) : next)) return false
    }
    return true
  }), { numRuns: 300, seed: 7 })
  t.pass('300 runs')
})
