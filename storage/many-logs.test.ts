import t from 'tap'
import { append, makeBatch, readAll, SMALL, TestMachine } from './log.fixture.js'

const COUNT = 10_000
const idOf = (partition: number) => ({ topicId: `t${partition % 7}`, partition, kind: 'data' as const })

t.test('LogStore: ten thousand logs open without a single file being touched after a clean stop', async t => {
  const machine = new TestMachine({ openFiles: 50 })
  await machine.start()
  for (let partition = 0; partition < 300; partition++) {
    const log = await machine.open(SMALL, idOf(partition))
    log.append(makeBatch(`p${partition}`), 1, 0)
  }
  await machine.store.close()
  // The others as copies of the first in the meta store: what matters is what opening does.
  const { logKey } = await import('./log-key.js')
  const { sealValue } = await import('./log-meta.js')
  const key0 = logKey(idOf(0))
  for (const table of ['log', 'log-segment', 'log-epoch']) {
    const [entry] = machine.meta.range(table, { from: key0, limit: 1 })
    for (let partition = 300; partition < COUNT; partition++) {
      const key = Buffer.concat([logKey(idOf(partition)), entry!.key.subarray(key0.length)])
      machine.meta.write([{ table, key, value: sealValue(key, Buffer.from(entry!.value)) }])
    }
  }
  await machine.start()
  const before = machine.disk.count('open') + machine.disk.count('list') + machine.disk.count('stat')
  t.equal((await machine.store.listLogs()).length, COUNT)
  for (let partition = 0; partition < COUNT; partition++) {
    const log = await machine.open(SMALL, idOf(partition))
    if (log.nextOffset !== 1) t.fail(`log ${partition} ends at ${log.nextOffset}`)
  }
  const after = machine.disk.count('open') + machine.disk.count('list') + machine.disk.count('stat')
  t.equal(after, before)
  for (let partition = 0; partition < 300; partition++) {
    const log = await machine.open(SMALL, idOf(partition))
    await append(log, makeBatch('more'))
    t.equal((await readAll(log)).length, 2)
  }
  t.ok(machine.disk.openCount <= 60, `${machine.disk.openCount} files open`)
  await machine.store.close()
  t.equal(machine.disk.openCount, 0)
})

t.test('LogStore: a deleted log is gone, its name can be used again', async t => {
  const machine = new TestMachine()
  const log = await machine.open()
  await append(log, makeBatch('old'))
  await machine.open(SMALL, { topicId: 'orders', partition: 0, kind: 'state' })
  await machine.store.deleteLog(log.id)
  t.same(machine.disk.paths().filter(path => path.endsWith('.log')), [])
  for (const table of ['log', 'log-segment', 'log-epoch', 'log-index']) t.same(machine.meta.range(table), [], table)
  t.same(await machine.store.listLogs(), [])
  const again = await machine.open()
  t.equal(again.nextOffset, 0)
  t.equal(await append(again, makeBatch('new')), 0)
  machine.powerCut()
  await machine.start(false)
  t.equal((await machine.open()).nextOffset, 1)
})

t.test('LogStore: logs recovered one by one after an unclean stop, and listed from their folders', async t => {
  const machine = new TestMachine()
  await machine.start()
  for (let partition = 0; partition < 20; partition++) {
    await append(await machine.open(SMALL, idOf(partition)), makeBatch('a'))
  }
  machine.kill()
  machine.meta.wipe()
  await machine.start()
  t.notOk(machine.store.cleanStart)
  const ids = await machine.store.listLogs()
  t.equal(ids.length, 20)
  for (const id of ids) t.equal((await machine.store.openLog(id, SMALL)).nextOffset, 1)
})

t.test('LogStore: names that could leave the folder are refused', async t => {
  const machine = new TestMachine()
  await machine.start()
  for (const topicId of ['', '.', '..', 'a/b', '../x', 'a\0b', 'x'.repeat(129)]) {
    t.throws(() => machine.store.openLog({ topicId, partition: 0, kind: 'data' }, SMALL), topicId)
  }
})
