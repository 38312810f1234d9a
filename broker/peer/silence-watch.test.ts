// Who is connected and says nothing.

import t from 'tap'
import { SilenceWatch } from './silence-watch.js'

function watched (): { watch: SilenceWatch, said: string[] } {
  const said: string[] = []
  const watch = new SilenceWatch((id, incarnation) => said.push(`lost ${id} ${incarnation}`),
    (id, incarnation) => said.push(`found ${id} ${incarnation}`))
  return { watch, said }
}

t.test('SilenceWatch: a broker that says nothing for too long is lost, once, and found when it speaks', t => {
  const { watch, said } = watched()
  for (let nowMs = 0; nowMs <= 3_000; nowMs += 25) watch.tick(nowMs, [{ brokerId: 2, incarnation: 'a', heardMs: 100 }])
  t.same(said, ['lost 2 a'])
  watch.tick(3_025, [{ brokerId: 2, incarnation: 'a', heardMs: 3_010 }])
  t.same(said, ['lost 2 a', 'found 2 a'])
  t.end()
})

t.test('SilenceWatch: a process that has stood still itself accuses nobody at once', t => {
  const { watch, said } = watched()
  watch.tick(0, [])
  watch.tick(10_000, [{ brokerId: 2, incarnation: 'a', heardMs: 0 }])
  t.same(said, [], 'what the other has said may wait in a socket')
  watch.tick(10_025, [{ brokerId: 2, incarnation: 'a', heardMs: 0 }])
  t.same(said, ['lost 2 a'])
  t.end()
})

t.test('SilenceWatch: who is not connected, or was never heard, is not its business', t => {
  const { watch, said } = watched()
  for (let nowMs = 0; nowMs <= 3_000; nowMs += 25) {
    watch.tick(nowMs, [
      { brokerId: 2, incarnation: null, heardMs: 0 }, { brokerId: 3, incarnation: 'b', heardMs: -Infinity },
    ])
  }
  t.same(said, [])
  t.end()
})
