// The log on the real disk and the real meta store.

import { mkdtemp, open, readdir, rm } from 'node:fs/promises'
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
