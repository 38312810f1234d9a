import t from 'tap'
import { SlicedQueue } from './sliced-queue.js'

/** A queue whose turns end, and whose time passes, when the test says so. */
function queueByHand (): { queue: SlicedQueue, endTurn: () => void, pass: (ms: number) => void } {
  let nowMs = 0
  let ends: (() => void)[] = []
  const queue = new SlicedQueue(run => { ends.push(run) }, () => nowMs)
  const endTurn = (): void => {
    const running = ends
    ends = []
    if (running.length > 1) throw new Error('asked for more than one end of a turn')
    for (const run of running) run()
  }
  return { queue, endTurn, pass: ms => { nowMs += ms } }
}

t.test('SlicedQueue: all of it in one turn where it is little, in order, and not before the end of the turn', async t => {
  const { queue, endTurn } = queueByHand()
  const done: number[] = []
  for (let index = 0; index < 5; index++) queue.add(() => { done.push(index) })
  t.same(done, [])
  endTurn()
  t.same(done, [0, 1, 2, 3, 4])
  t.equal(queue.size, 0)
  endTurn()
  queue.add(() => { done.push(5) })
  endTurn()
  t.equal(done.at(-1), 5, 'and it goes on when it was empty')
})

t.test('SlicedQueue: a slice ends after a few milliseconds, the rest has the next turns', async t => {
  const { queue, endTurn, pass } = queueByHand()
  let done = 0
  for (let index = 0; index < 10; index++) {
    queue.add(() => {
      done++
      pass(1.5)
    })
  }
  const counts: number[] = []
  for (let turn = 0; turn < 5; turn++) {
    endTurn()
    counts.push(done)
  }
  t.same(counts, [3, 6, 9, 10, 10])
})

t.test('SlicedQueue: what adds to the queue does not hold up the turn', async t => {
  const { queue, endTurn } = queueByHand()
  let done = 0
  const again = (): void => { if (++done < 100) queue.add(again) }
  queue.add(again)
  for (let turn = 1; turn <= 100; turn++) {
    endTurn()
    t.equal(done, turn)
  }
  t.equal(queue.size, 0)
})
