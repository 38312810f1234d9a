// The log on the real disk and the real meta store.

import { cp, mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import t from 'tap'
import { readBatchHeader } from '@sluice/protocol'
import { LmdbMetaStore } from './lmdb-meta-store.js'
import { append, LOG_ID, makeBatch, readAll, SMALL } from './log.fixture.js'
import { LOG_META_TABLES } from './log-meta.js'
import { LogStore } from './log-store.js'
import type { LogEvent } from './log-types.js'
import { NodeDisk } from './node-disk.js'
import { verifyLog } from './segment-inspection.js'

async function openStore (directory: string, cleanStart: boolean, events: LogEvent[] = []): Promise<{
  store: LogStore, meta: LmdbMetaStore
}> {
  const meta = await LmdbMetaStore.open(`${directory}/meta`, { tables: LOG_META_TABLES })
  const store = await LogStore.open({
    directory,
    disk: new NodeDisk(),
    meta,
    clock: { wallMs: Date.now, monotonicMs: () => performance.now() },
    endOfTurn: setImmediate,
    limits: { openFiles: 4 },
    cleanStart,
    report: event => { events.push(event) },
  })
  return { store, meta }
}

t.test('LogStore on the real disk: appends, stops, starts, mends and compacts', async t => {
  const directory = await mkdtemp(`${tmpdir()}/sluice-log-`)
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const config = { ...SMALL, segmentBytes: 64 * 1024, cleanup: { delete: true, compact: true } }
  let { store, meta } = await openStore(directory, false)
  let log = await store.openLog(LOG_ID, config)
  for (let round = 0; round < 40; round++) {
    for (let index = 0; index < 10; index++) log.append(makeBatch(`b${round}-${index}`, 5, 1000, 100), 1, log.durableOffset)
    await append(log, makeBatch(`end${round}`))
  }
  t.equal(log.nextOffset, 40 * 51)
  await store.close()
  await meta.close()
  const events: LogEvent[] = []
  ;({ store, meta } = await openStore(directory, true, events))
  t.equal(store.cleanStart, true)
  log = await store.openLog(LOG_ID, config)
  t.equal((await readAll(log)).length, 440)
  await append(log, makeBatch('more'))
  t.ok((await log.compact()).complete)
  await log.setStartOffset(51)
  await log.applyRetention()
  t.equal(readBatchHeader((await readAll(log))[0]!).baseOffset, 51)
  await store.close()
  await meta.close()
  const logs = `${directory}/logs`
  t.equal((await verifyLog(new NodeDisk(), logs, LOG_ID)).sound, true)

  const folder = `${logs}/orders/0/data`
  const last = (await readdir(folder)).sort().pop()!
  const file = await open(`${folder}/${last}`, 'a')
  await file.write('torn')
  await file.close()
  await rm(`${directory}/meta`, { recursive: true })
  events.length = 0
  ;({ store, meta } = await openStore(directory, true, events))
  t.equal(store.cleanStart, false, 'the meta store is not the one of the last stop')
  log = await store.openLog(LOG_ID, config)
  t.equal(log.nextOffset, 40 * 51 + 1)
  t.ok(events.some(event => event.kind === 'cut'))
  t.same(log.quarantined, [])
  await store.close()
  await meta.close()
})

t.test('LogStore on the real disk: a meta store put back from an older copy leads nobody astray', async t => {
  const directory = await mkdtemp(`${tmpdir()}/sluice-log-`)
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const config = { ...SMALL, segmentBytes: 32 * 1024, cleanup: { delete: true, compact: true } }
  let { store, meta } = await openStore(directory, false)
  let log = await store.openLog(LOG_ID, config)
  const fill = async (name: string, rounds: number): Promise<void> => {
    for (let round = 0; round < rounds; round++) await append(log, makeBatch(`${name}${round}`, 20, 1000 + round, 100))
  }
  await fill('old', 60)
  await store.close()
  await meta.close()
  await cp(`${directory}/meta`, `${directory}/older`, { recursive: true })

  // What the copy knows is deleted, compacted and cut away, and much is added.
  ;({ store, meta } = await openStore(directory, true))
  log = await store.openLog(LOG_ID, config)
  await log.setStartOffset(400)
  await log.applyRetention()
  await fill('new', 60)
  t.ok((await log.compact()).complete)
  await fill('last', 5)
  const before = (await readAll(log)).map(batch => readBatchHeader(batch).baseOffset)
  const { nextOffset, logStartOffset } = log
  const durable = log.durableOffset
  for (const ending of ['stop', 'kill'] as const) {
    if (ending === 'stop') await store.close()
    await meta.close()
    await rm(`${directory}/meta`, { recursive: true })
    await cp(`${directory}/older`, `${directory}/meta`, { recursive: true })
    const events: LogEvent[] = []
    ;({ store, meta } = await openStore(directory, true, events))
    t.equal(store.cleanStart, false, `the mark of the last stop is not in the copy (${ending})`)
    log = await store.openLog(LOG_ID, config)
    t.equal(log.nextOffset, nextOffset)
    t.equal(log.durableOffset, durable)
    const offsets = (await readAll(log, logStartOffset)).map(batch => readBatchHeader(batch).baseOffset)
    t.same(offsets, before, 'what was not deleted is there')
    // The copy knows of offsets that were deleted since: rather a false alarm than a loss that nobody hears of.
    t.ok(log.quarantined.every(({ to }) => to <= logStartOffset), 'and nothing of it is called damaged')
    for (const offset of [before[0]!, before[before.length >> 1]!, before.at(-1)!]) {
      const slice = await log.readSlice(offset, 1, log.nextOffset)
      t.equal(readBatchHeader(slice.buffers[0]!).baseOffset, offset, 'found by an index that was made anew')
    }
  }
  await store.close()
  await meta.close()
  t.equal((await verifyLog(new NodeDisk(), `${directory}/logs`, LOG_ID)).sound, true)
})
