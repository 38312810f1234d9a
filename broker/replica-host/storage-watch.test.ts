import t from 'tap'
import { severityOf, SLOW_MS, StorageWatch, worseOf, type WatchedLog } from './storage-watch.js'

function logOf (): { -readonly [Name in keyof WatchedLog]: WatchedLog[Name] } {
  return { state: 'online', acknowledgedOffset: 0, nextOffset: 0 }
}

t.test('StorageWatch: a disk is slow that has not stored what was appended some time ago', async t => {
  const log = logOf()
  const watch = new StorageWatch([log])
  t.equal(watch.look(1_000, false), null)
  log.nextOffset = 10
  t.equal(watch.look(2_000, false), null)
  log.nextOffset = 20
  t.equal(watch.look(2_000 + SLOW_MS - 1, false), null)
  t.equal(watch.look(2_000 + SLOW_MS, false), 'slow')
  log.acknowledgedOffset = 10
  t.equal(watch.look(3_000 + SLOW_MS, false), null, 'it has come to where the log ended then')
  t.equal(watch.look(4_000 + SLOW_MS, false), null)
})

t.test('StorageWatch: a disk that always has some of the newest left to store is not slow (a busy log)', async t => {
  const log = logOf()
  const watch = new StorageWatch([log])
  for (let nowMs = 0; nowMs < 10 * SLOW_MS; nowMs += 250) {
    log.acknowledgedOffset = log.nextOffset
    log.nextOffset += 100
    t.equal(watch.look(nowMs, false), null)
  }
})

t.test('StorageWatch: an idle log, one that was cut, and a process that stood still tell nothing of the disk', async t => {
  const log = logOf()
  const watch = new StorageWatch([log])
  watch.look(0, false)
  t.equal(watch.look(SLOW_MS, false), null, 'idle')
  log.nextOffset = 10
  log.acknowledgedOffset = 5
  watch.look(SLOW_MS, false)
  t.equal(watch.look(3 * SLOW_MS, true), null, 'stood still')
  t.equal(watch.look(3 * SLOW_MS + 250, false), null)
  log.nextOffset = 4
  log.acknowledgedOffset = 4
  t.equal(watch.look(9 * SLOW_MS, false), null, 'cut')
})

t.test('StorageWatch: of several logs the one in the worst trouble counts', async t => {
  const [data, state] = [logOf(), logOf()]
  const watch = new StorageWatch([data, state])
  state.state = 'readOnly'
  t.equal(watch.look(0, false), 'full')
  data.state = 'failed'
  t.equal(watch.look(0, false), 'failed')
  data.state = state.state = 'online'
  t.equal(watch.look(0, false), null)
  t.equal(worseOf('slow', 'full'), 'full')
  t.equal(worseOf(null, null), null)
  t.strictSame([null, undefined, 'slow', 'full', 'failed'].map(each => severityOf(each as never)), [0, 0, 1, 2, 3])
})
