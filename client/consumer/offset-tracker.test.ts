import fc from 'fast-check'
import t from 'tap'
import { OffsetTracker } from './offset-tracker.js'

t.test('OffsetTracker: committable is what is done without a gap', async t => {
  const tracker = new OffsetTracker(10)
  t.equal(tracker.committable, 10)
  for (const offset of [10, 11, 15, 16]) tracker.deliver(offset, offset + 1)
  t.equal(ack(tracker, 11), 1)
  t.equal(tracker.committable, 10)
  t.equal(ack(tracker, 10), 1)
  t.equal(tracker.committable, 15)
  t.equal(ack(tracker, 10), 0, 'done before')
  t.equal(ack(tracker, 12), 0, 'never handed out')
  t.equal(ack(tracker, 16), 1)
  t.equal(tracker.outstanding, 1)
  t.equal(ack(tracker, 15), 1)
  t.equal(tracker.committable, 17)
  tracker.passTo(20)
  t.equal(tracker.committable, 20)
})

t.test('OffsetTracker: a run that is done counts what of it was handed out and not done', async t => {
  const tracker = new OffsetTracker(0)
  tracker.deliver(0, 1_000)
  tracker.deliver(1_000, 1_500)
  tracker.deliver(1_600, 2_000)
  t.equal(tracker.outstanding, 1_900)
  t.equal(tracker.ack(0, 1_000), 1_000)
  t.equal(tracker.committable, 1_000)
  t.equal(tracker.ack(1_200, 1_800), 500, 'a hundred offsets between them hold no records')
  t.equal(tracker.committable, 1_000)
  t.equal(tracker.ack(900, 1_200), 200, 'a hundred were done before')
  t.equal(tracker.committable, 1_800)
  t.equal(tracker.outstanding, 200)
  t.equal(tracker.ack(1_800, 5_000), 200)
  t.equal(tracker.outstanding, 0)
  t.equal(tracker.committable, 2_000)
})

t.test('OffsetTracker: rewinding forgets what was handed out', async t => {
  const tracker = new OffsetTracker(0)
  tracker.deliver(0, 5)
  ack(tracker, 0)
  ack(tracker, 3)
  tracker.rewind(2)
  t.equal(tracker.outstanding, 1)
  t.equal(ack(tracker, 4), 0)
  ack(tracker, 1)
  t.equal(tracker.committable, 2)
  tracker.seek(100)
  t.equal(tracker.committable, 100)
})

t.test('OffsetTracker: agrees with a plain model', async t => {
  const offset = fc.integer({ min: 0, max: 60 })
  const length = fc.integer({ min: 1, max: 12 })
  const step = fc.oneof(
    fc.record({ what: fc.constant('deliver' as const), value: fc.integer({ min: 0, max: 2 }), length }),
    fc.record({ what: fc.constant('ack' as const), value: offset, length }),
    fc.record({ what: fc.constant('rewind' as const), value: offset, length }))
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), steps => {
    const tracker = new OffsetTracker(0)
    let next = 0
    let handed = new Map<number, boolean>()
    for (const { what, value, length } of steps) {
      if (what === 'deliver') {
        const from = next + value
        next = from + length
        for (let one = from; one < next; one++) handed.set(one, false)
        tracker.deliver(from, next)
      } else if (what === 'ack') {
        let expected = 0
        for (let one = value; one < value + length; one++) {
          if (handed.get(one) !== false) continue
          handed.set(one, true)
          expected++
        }
        if (tracker.ack(value, value + length) !== expected) return false
      } else {
        // Only what is not done is ever given back.
        if (handed.get(value) !== false) continue
        tracker.rewind(value)
        handed = new Map([...handed].filter(([offset]) => offset < value))
        next = value
      }
      const open = [...handed].filter(([, done]) => !done).map(([offset]) => offset)
      if (tracker.outstanding !== open.length) return false
      if (open.some(offset => !tracker.isOutstanding(offset))) return false
      if (tracker.isOutstanding(next)) return false
      if (tracker.committable !== (open.length > 0 ? Math.min(...open) : next)) return false
    }
    return true
  }), { numRuns: 300, seed: 7 })
  t.pass('300 runs')
})

t.test('OffsetTracker: many gaps cost no more for each record than few', async t => {
  const tracker = new OffsetTracker(0)
  const count = 50_000
  for (let index = 0; index < count; index++) tracker.deliver(index * 2, index * 2 + 1)
  t.equal(tracker.outstanding, count)
  for (let index = 0; index < count; index++) ack(tracker, index * 2)
  t.equal(tracker.outstanding, 0)
  t.equal(tracker.committable, count * 2 - 1)
})

function ack (tracker: OffsetTracker, offset: number): number {
  return tracker.ack(offset, offset + 1)
}
