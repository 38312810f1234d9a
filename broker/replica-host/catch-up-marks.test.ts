import t from 'tap'
import { CatchUpMarks } from './catch-up-marks.js'

t.test('CatchUpMarks: who has what was committed a second ago has caught up, and who has everything', t => {
  const marks = new CatchUpMarks()
  t.notOk(marks.hasCaughtUp('t/0', 0, [5, 0], [10, 0], [12, 0]))
  t.ok(marks.hasCaughtUp('t/0', 10, [12, 0], [10, 0], [12, 0]), 'everything, whatever the time')
  t.notOk(marks.hasCaughtUp('t/0', 1_000, [9, 0], [20, 0], [22, 0]))
  t.ok(marks.hasCaughtUp('t/0', 1_100, [10, 0], [20, 0], [22, 0]), 'what was committed at the first look')
  t.notOk(marks.hasCaughtUp('t/0', 2_000, [10, 0], [30, 0], [32, 0]), 'that was two seconds ago')
  t.end()
})

t.test('CatchUpMarks: marks of an earlier move say nothing (hours later)', t => {
  const marks = new CatchUpMarks()
  marks.hasCaughtUp('t/0', 0, [0, 0], [10, 0], [12, 0])
  const hours = 7_200_000
  t.notOk(marks.hasCaughtUp('t/0', hours, [10, 0], [1_000_000, 0], [1_000_002, 0]))
  t.notOk(marks.hasCaughtUp('t/0', hours + 500, [900_000, 0], [1_000_000, 0], [1_000_002, 0]))
  t.ok(marks.hasCaughtUp('t/0', hours + 1_000, [1_000_000, 0], [1_000_010, 0], [1_000_012, 0]))
  t.end()
})
