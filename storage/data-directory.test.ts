import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import t, { type Test } from 'tap'
import { DataDirectory, type DataDirectoryOptions } from './data-directory.js'
import { NodeDisk } from './node-disk.js'
import { MemoryDisk } from './memory-disk.js'

const CLUSTER = '4b0f1b2e-6d0a-4f61-9a4c-0f8f3f1a2b3c'

function folder (t: Test): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-data-'))
  t.teardown(() => fs.rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Opens, as a process on the disk in memory does. */
function opened (disk: MemoryDisk, options: DataDirectoryOptions = {}): Promise<DataDirectory> {
  return DataDirectory.open('/data', { disk: disk.attach(), lock: false, bootId: () => 'boot-1', ...options })
}

t.test('DataDirectory: a new folder is made, gets an identity, and keeps it', async (t) => {
  const directory = path.join(folder(t), 'a/b')
  const first = await DataDirectory.open(directory, { brokerId: 7, clusterId: CLUSTER })
  t.match(first.identity, { formatVersion: 1, storeId: /^[0-9a-f]{32}$/, clusterId: CLUSTER, brokerId: 7, createdAt: /^20/ })
  t.same(first.lastStop, { first: true, clean: true, rebooted: false })
  t.equal(first.path, directory)
  await first.close()
  t.same(JSON.parse(fs.readFileSync(`${directory}/sluice.json`, 'utf8')), first.identity)
  const again = await DataDirectory.open(directory, { brokerId: 7, clusterId: CLUSTER })
  t.same(again.identity, first.identity)
  t.same(await DataDirectory.inspect(directory), first.identity, 'it can be looked at while it is locked')
  await again.close()
  const other = await DataDirectory.open(path.join(folder(t), 'c'))
  t.not(other.identity.storeId, first.identity.storeId)
  t.match(other.identity.clusterId, /^[0-9a-f-]{36}$/)
  await other.close()
})

t.test('DataDirectory: one process at a time, freed when it is closed and when opening failed', async (t) => {
  const directory = folder(t)
  const first = await DataDirectory.open(directory, { brokerId: 1 })
  await t.rejects(DataDirectory.open(directory), { name: 'DataDirectoryError', code: 'LOCKED', directory })
  await first.close()
  await t.rejects(DataDirectory.open(directory, { brokerId: 2 }), { code: 'WRONG_BROKER' })
  const second = await DataDirectory.open(directory)
  await second.close()
})

t.test('DataDirectory: a folder of others is refused and left as it is', async (t) => {
  const directory = folder(t)
  fs.writeFileSync(`${directory}/thesis.doc`, 'dear')
  await t.rejects(DataDirectory.open(directory), {
    code: 'FOREIGN_FOLDER', message: /not a Sluice data folder: it holds thesis\.doc and no sluice\.json\. Give an empty/,
  })
  t.same(fs.readdirSync(directory), ['thesis.doc'])
  await t.rejects(DataDirectory.open(`${directory}/thesis.doc`), { code: 'FOREIGN_FOLDER', message: /is a file/ })
  const mount = folder(t)
  fs.mkdirSync(`${mount}/lost+found`)
  await (await DataDirectory.open(mount)).close()
})

t.test('DataDirectory: another cluster, another broker, a newer format and a damaged identity are refused', async (t) => {
  const directory = folder(t)
  await (await DataDirectory.open(directory, { brokerId: 1, clusterId: CLUSTER })).close()
  await t.rejects(DataDirectory.open(directory, { clusterId: 'other' }), { code: 'WRONG_CLUSTER', message: /other/ })
  await t.rejects(DataDirectory.open(directory, { brokerId: 2 }), { code: 'WRONG_BROKER', message: /broker 1, not 2/ })
  const file = `${directory}/sluice.json`
  const good = JSON.parse(fs.readFileSync(file, 'utf8')) as Record<string, unknown>
  fs.writeFileSync(file, JSON.stringify({ formatVersion: 2, somethingNew: true }))
  await t.rejects(DataDirectory.open(directory), { code: 'NEWER_FORMAT', message: /version 2; this program knows 1/ })
  const wrong = [{ ...good, storeId: 'x' }, { ...good, brokerId: '1' }, { ...good, formatVersion: 0 }, null, []]
  for (const contents of ['', '{', ...wrong.map(identity => JSON.stringify(identity))]) {
    fs.writeFileSync(file, contents)
    await t.rejects(DataDirectory.open(directory), { code: 'DAMAGED' }, contents)
  }
  fs.writeFileSync(file, JSON.stringify(good))
  await (await DataDirectory.open(directory)).close()
})

t.test('DataDirectory: a folder that cannot be written is refused in words', async (t) => {
  const disk = new MemoryDisk()
  disk.setReadOnly(true)
  await t.rejects(opened(disk), { code: 'NOT_WRITABLE', message: /cannot be written.*Check its owner/ })
  disk.setReadOnly(false)
  const directory = await opened(disk)
  disk.setReadOnly(true)
  await t.rejects(directory.markDirty(), { code: 'NOT_WRITABLE' })
  if (process.getuid?.() === 0) return
  const real = folder(t)
  fs.chmodSync(real, 0o500)
  await t.rejects(DataDirectory.open(real), { code: 'NOT_WRITABLE' })
})

t.test('DataDirectory: a start knows whether the last stop was clean and whether the machine was restarted', async (t) => {
  const disk = new MemoryDisk()
  const run = async (bootId: string | null, stop: 'clean' | 'crash'): Promise<unknown> => {
    const directory = await opened(disk, { bootId: () => bootId })
    const lastStop = await directory.markDirty()
    t.equal(lastStop, directory.lastStop)
    if (stop === 'clean') await directory.markClean()
    await directory.close()
    disk.kill()
    return lastStop
  }
  t.same(await run('boot-1', 'clean'), { first: true, clean: true, rebooted: false })
  t.same(await run('boot-1', 'crash'), { first: false, clean: true, rebooted: false })
  t.same(await run('boot-1', 'crash'), { first: false, clean: false, rebooted: false })
  t.same(await run('boot-2', 'clean'), { first: false, clean: false, rebooted: true })
  t.same(await run('boot-3', 'crash'), { first: false, clean: true, rebooted: true })
  t.same(await run(null, 'crash'), { first: false, clean: false, rebooted: true }, 'unknown is taken for the worse')
  t.same(await run('boot-3', 'crash'), { first: false, clean: false, rebooted: true })
  disk.corrupt('/data/started.json', 0, Buffer.from('garbage'))
  t.same(await run('boot-3', 'crash'), { first: false, clean: false, rebooted: true }, 'a mark that cannot be read')
})

t.test('DataDirectory: a start is marked on a full disk, too', async (t) => {
  const disk = new MemoryDisk()
  const before = await opened(disk)
  await before.markDirty()
  await before.markClean()
  disk.fail({ operation: 'write', code: 'ENOSPC' })
  const directory = await opened(disk)
  t.same(await directory.markDirty(), { first: false, clean: true, rebooted: false })
  disk.powerCut({ names: 'none', keep: 'none' })
  disk.clearFaults()
  t.same((await opened(disk)).lastStop, { first: false, clean: false, rebooted: true })
})

t.test('DataDirectory: a power cut at any step leaves a folder that opens, and never a clean one by mistake', async (t) => {
  const identities: string[] = []
  for (let step = 1; ; step++) {
    const disk = new MemoryDisk({ random: randomFrom(step) })
    let reached = 'nothing'
    const crashed = await disk.crashDuring(step, async () => {
      const directory = await opened(disk)
      identities[0] = directory.identity.storeId
      reached = 'made'
      await directory.markDirty()
      reached = 'dirty'
      await directory.markClean()
      reached = 'clean'
      await directory.markDirty()
      reached = 'dirty again'
    })
    disk.powerCut()
    const directory = await opened(disk)
    if (reached !== 'nothing') t.equal(directory.identity.storeId, identities[0], 'the identity stays')
    if (reached === 'dirty again') t.notOk(directory.lastStop.clean)
    if (reached === 'clean' && !crashed) t.ok(directory.lastStop.clean)
    const { lastStop } = directory
    t.notOk(lastStop.first && reached !== 'nothing' && reached !== 'made', 'use is not forgotten')
    await directory.markDirty()
    if (!crashed) break
  }
})

t.test('DataDirectory: works on the disk of the system by default', async (t) => {
  const directory = folder(t)
  const opened = await DataDirectory.open(directory, { disk: new NodeDisk() })
  await opened.markDirty()
  await opened.markClean()
  await opened.close()
  t.same(fs.readdirSync(directory).sort(), ['lock', 'sluice.json', 'started.json', 'stopped.json'])
  const again = await DataDirectory.open(directory)
  t.same(again.lastStop, { first: false, clean: true, rebooted: false })
  await again.close()
})

function randomFrom (seed: number): () => number {
  let state = Math.imul(seed, 2654435761) >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
