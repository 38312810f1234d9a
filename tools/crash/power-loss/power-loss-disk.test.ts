// The disk that loses power, by itself: what a program has synced is there afterwards, whatever way it took; what it
// has not is gone, torn, or there.

import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { mkdir, readFile, readdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { scratchFolder } from '../scratch-folder.js'
import { SeededRandom } from '../seeded-random.js'
import { whyNoPowerLoss } from './build-layer.js'
import type { LossStyle } from './loss-style.js'
import { PowerLossDisk, type PowerLossOptions, type PowerLossReport } from './power-loss-disk.js'

const run = promisify(execFile)
const skip = await whyNoPowerLoss()
const LMDB = JSON.stringify(createRequire(import.meta.url).resolve('node-lmdb'))

interface World {
  readonly disk: PowerLossDisk
  /** Runs JavaScript as a process of its own, in the folder; it is killed where it ends with `die()`. */
  readonly program: (source: string) => Promise<void>
  readonly loss: (style: LossStyle, seed?: number) => Promise<PowerLossReport>
  readonly read: (name: string) => Promise<string | null>
  readonly names: () => Promise<string[]>
}

const PRELUDE = `
  const fs = require('node:fs')
  const die = () => process.kill(process.pid, 'SIGKILL')
  const syncFolder = path => { const fd = fs.openSync(path, 'r'); fs.fsyncSync(fd); fs.closeSync(fd) }
`

async function world (t: Test, options: PowerLossOptions = {}): Promise<World> {
  const folder = await scratchFolder()
  t.teardown(() => folder[Symbol.asyncDispose]())
  const disk = await PowerLossDisk.open(join(folder.path, 'disk'), options)
  return {
    disk,
    async program (source) {
      const env = { ...process.env, ...disk.environment }
      await run(process.execPath, ['-e', PRELUDE + source], { cwd: disk.folder, env })
        .catch(error => { if (error.signal !== 'SIGKILL') throw error })
    },
    loss: (style, seed = 1) => disk.powerLoss(new SeededRandom(seed), style),
    read: name => readFile(join(disk.folder, name), 'utf8').catch(() => null),
    names: async () => (await readdir(disk.folder, { recursive: true })).sort(),
  }
}

/** Ways to write 'new' over 'old' in a file, and what makes it durable. */
const WAYS: Readonly<Record<string, { write: (file: string) => string, isDurable?: boolean }>> = {
  write: { write: file => `const fd = fs.openSync('${file}', 'r+'); fs.writeSync(fd, 'new')` },
  pwrite: { write: file => `const fd = fs.openSync('${file}', 'r+'); fs.writeSync(fd, 'new', 0)` },
  writev: { write: file => `const fd = fs.openSync('${file}', 'r+'); fs.writevSync(fd, [Buffer.from('n'), Buffer.from('ew')])` },
  pwritev: { write: file => `const fd = fs.openSync('${file}', 'r+'); fs.writevSync(fd, [Buffer.from('n'), Buffer.from('ew')], 0)` },
  'write-only descriptor': { write: file => `const fd = fs.openSync('${file}', fs.constants.O_WRONLY); fs.writeSync(fd, 'new', 0)` },
  'open with O_TRUNC': { write: file => `const fd = fs.openSync('${file}', 'w'); fs.writeSync(fd, 'new')` },
  'ftruncate and append': {
    write: file => `const fd = fs.openSync('${file}', 'a'); fs.ftruncateSync(fd, 0); fs.writeSync(fd, 'new')`,
  },
  'relative path through a folder': { write: file => `const fd = fs.openSync('../disk/./${file}', 'r+'); fs.writeSync(fd, 'new', 0)` },
  'thread pool': {
    write: file => `const fd = fs.openSync('${file}', 'r+')
      const { promisify } = require('node:util')
      await promisify(fs.write)(fd, Buffer.from('new'), 0, 3, 0)`,
  },
  O_DSYNC: {
    write: file => `const fd = fs.openSync('${file}', fs.constants.O_RDWR | fs.constants.O_DSYNC); fs.writeSync(fd, 'new', 0)`,
    isDurable: true,
  },
}

const SYNCS: Readonly<Record<string, (file: string) => string>> = {
  'not synced': () => '',
  fsync: () => 'fs.fsyncSync(fd)',
  fdatasync: () => 'fs.fdatasyncSync(fd)',
  'fsync of another descriptor': file => `const other = fs.openSync('${file}', 'r'); fs.fsyncSync(other)`,
}

interface Written {
  readonly way: string
  readonly sync: string
  /** What a reader finds when the process has died, and when the power has gone. */
  readonly before: string | null
  readonly after: string | null
}

/** Each way with each sync, on a file of its own; one process and one power loss for all of them. */
async function writeInAllWays (): Promise<{ written: Written[], again: PowerLossReport }> {
  const { disk, program, loss, read } = await world(t)
  const tries = Object.keys(WAYS).flatMap((way, first) => Object.keys(SYNCS).map((sync, second) =>
    ({ way, sync, file: `file-${first}-${second}` })))
  for (const { file } of tries) await writeFile(join(disk.folder, file), 'old')
  const sources = tries.map(({ way, sync, file }) => `await (async () => { ${WAYS[way]!.write(file)}; ${SYNCS[sync]!(file)} })()`)
  await program(`(async () => { ${sources.join('\n')}; die() })()`)
  const before = await Promise.all(tries.map(({ file }) => read(file)))
  await loss('all')
  const after = await Promise.all(tries.map(({ file }) => read(file)))
  const written = tries.map(({ way, sync }, index) => ({ way, sync, before: before[index]!, after: after[index]! }))
  return { written, again: await loss('all') }
}

const writing = skip === false ? await writeInAllWays() : null

for (const [way, { isDurable = false }] of Object.entries(WAYS)) {
  t.test(`Power loss: what is written is kept where it was synced, and only there (${way})`, { skip }, async t => {
    const tries = writing!.written.filter(each => each.way === way)
    for (const { sync, before, after } of tries) {
      t.equal(before, 'new', 'without a power loss all is there')
      t.equal(after, sync === 'not synced' && !isDurable ? 'old' : 'new', sync)
    }
    t.equal(tries.length, Object.keys(SYNCS).length)
  })
}

t.test('Power loss: what a power loss has left is durable', { skip }, async t => {
  t.same(writing!.again, { style: 'all', atRisk: 0, lostWrites: 0, lostNames: 0 })
})

t.test('Power loss: a sync covers what was written before it, in earlier processes too, and nothing after', { skip }, async t => {
  const { program, loss, read, disk } = await world(t)
  await writeFile(join(disk.folder, 'file'), '...')
  const put = (text: string, position: number): string =>
    `{ const fd = fs.openSync('file', 'r+'); fs.writeSync(fd, '${text}', ${position}); fs.closeSync(fd) }`
  await program(`${put('1', 0)} die()`)
  await program(`${put('2', 1)} const fd = fs.openSync('file', 'r'); fs.fsyncSync(fd); ${put('3', 2)} die()`)
  t.equal(await read('file'), '123')
  await loss('all')
  t.equal(await read('file'), '12.')
})

/** What a program does to names, beside a file `old`; what is left without a sync of the folder, and with one. */
const NAMES: readonly (readonly [string, string, readonly string[], readonly string[]])[] = [
  ['create', "fs.writeFileSync('new', 'x', { flush: true })", ['old'], ['new', 'old']],
  ['rename', "fs.renameSync('old', 'new')", ['old'], ['new']],
  ['unlink', "fs.unlinkSync('old')", ['old'], []],
  ['link', "fs.linkSync('old', 'new')", ['old'], ['new', 'old']],
  ['symlink', "fs.symlinkSync('old', 'new')", ['old'], ['new', 'old']],
  ['mkdir', "fs.mkdirSync('folder'); fs.writeFileSync('folder/x', 'x', { flush: true }); syncFolder('folder')", ['old'],
    ['folder', 'folder/x', 'old']],
  ['replace', "fs.writeFileSync('t', 'new', { flush: true }); syncFolder('.'); fs.renameSync('t', 'old')", ['old', 't'], ['old']],
]

interface Named { readonly before: string[], readonly after: string[], readonly old: string | null }

/** Each change without a sync of its folder and with one, in a folder of its own; one process, one power loss. */
async function changeNamesInAllWays (): Promise<Map<string, Named>> {
  const { disk, program, loss, names, read } = await world(t)
  const tries = NAMES.flatMap(([way, change]) => ['', "syncFolder('.')"].map((sync, index) =>
    ({ folder: `${way}-${index === 0 ? 'unsynced' : 'synced'}`, source: `${change}; ${sync}` })))
  for (const { folder } of tries) {
    await mkdir(join(disk.folder, folder))
    await writeFile(join(disk.folder, folder, 'old'), 'old')
  }
  await program(`${tries.map(({ folder, source }) => `{ process.chdir('${folder}'); ${source}; process.chdir('..') }`).join('\n')}; die()`)
  const before = await names()
  await loss('all')
  const after = await names()
  const below = (all: string[], folder: string): string[] =>
    all.filter(name => name.startsWith(`${folder}/`)).map(name => name.slice(folder.length + 1))
  const named = new Map<string, Named>()
  for (const { folder } of tries) {
    named.set(folder, { before: below(before, folder), after: below(after, folder), old: await read(`${folder}/old`) })
  }
  return named
}

const naming = skip === false ? await changeNamesInAllWays() : null

for (const [way, , without, expected] of NAMES) {
  t.test(`Power loss: names are kept where their folder was synced, and only there (${way})`, { skip }, async t => {
    for (const [sync, names] of [['unsynced', without], ['synced', expected]] as const) {
      const { before, after, old } = naming!.get(`${way}-${sync}`)!
      t.strictSame(before, [...expected])
      t.strictSame(after, [...names], sync)
      if (names.includes('old')) t.equal(old, way === 'replace' && sync === 'synced' ? 'new' : 'old')
    }
  })
}

t.test('Power loss: folders that were renamed and removed come back with all that was in them', { skip }, async t => {
  const { disk, program, loss, names, read } = await world(t)
  await mkdir(join(disk.folder, 'a/deep'), { recursive: true })
  await writeFile(join(disk.folder, 'a/deep/file'), 'old')
  const before = await names()
  await program(`
    fs.writeFileSync('a/deep/file', 'new'); fs.writeFileSync('a/deep/other', 'x')
    fs.renameSync('a', 'b'); fs.renameSync('b/deep', 'b/deeper'); fs.unlinkSync('b/deeper/file')
    fs.rmSync('b', { recursive: true }); fs.mkdirSync('a'); fs.writeFileSync('a/deep', 'a file')
    die()`)
  await loss('all')
  t.strictSame(await names(), before)
  t.equal(await read('a/deep/file'), 'old')
})

t.test('Power loss: folders come back also where others have got their inodes', { skip }, async t => {
  const { disk, program, loss, names } = await world(t)
  await mkdir(join(disk.folder, 'a/deep'), { recursive: true })
  const before = await names()
  await program("fs.renameSync('a', 'b'); fs.renameSync('b/deep', 'b/deeper'); fs.rmSync('b', { recursive: true }); die()")
  for (let count = 0; count < 5; count++) await mkdir(join(disk.folder, `other-${count}`))
  for (let count = 0; count < 5; count++) await rename(join(disk.folder, `other-${count}`), `${disk.folder}.${count}`)
  await loss('all')
  t.strictSame(await names(), before)
})

t.test('Power loss: what was done in a folder is undone under the name that it has for good by then', { skip }, async t => {
  const { disk, program, loss, names } = await world(t)
  await mkdir(join(disk.folder, 'a'))
  await program("fs.writeFileSync('a/file', 'x'); fs.renameSync('a', 'b'); syncFolder('.'); die()")
  await loss('all')
  t.strictSame(await names(), ['b'])
})

t.test('Power loss: writes that were not synced are torn at pages, or at sectors, and sizes are any of those since', { skip }, async t => {
  for (const [style, unitBytes] of [['pages', 4096], ['sectors', 512]] as const) {
    const seen = new Set<string>()
    const sizes = new Set<number>()
    const files = await tornFiles(t, style, 12, Buffer.alloc(16_384, 'a'), `
      fs.writeSync(fd, Buffer.alloc(16384, 'b'), 0, 16384, 0)
      fs.writeSync(fd, Buffer.alloc(16384, 'c'), 0, 16384, 4096)`)
    for (const bytes of files) {
      sizes.add(bytes.length)
      for (let start = 0; start < Math.min(bytes.length, 16_384); start += unitBytes) {
        const unit = bytes.subarray(start, start + unitBytes)
        t.ok(unit.every(byte => byte === unit[0]), 'a unit is not torn')
        seen.add(`${start < 4096 ? 'once' : 'twice'} written: ${String.fromCharCode(unit[0]!)}`)
      }
    }
    t.strictSame([...seen].sort(), ['once written: a', 'once written: b', ...['a', 'b', 'c'].map(text => `twice written: ${text}`)])
    t.strictSame([...sizes].sort((a, b) => a - b), [16_384, 20_480])
  }
})

t.test('Power loss: a cut that survives takes along what it cut, one that does not gives back all of it', { skip }, async t => {
  const files = await tornFiles(t, 'pages', 20, Buffer.alloc(8192, 'a'),
    "fs.ftruncateSync(fd, 4096); fs.writeSync(fd, Buffer.alloc(4096, 'b'), 0, 4096, 4096)")
  const outcomes = new Set(files.map(bytes => [...bytes.toString('latin1')].filter((_, index) => index % 4096 === 0).join('')
    .replaceAll('\0', '0')))
  t.strictSame([...outcomes].sort(), ['a', 'a0', 'aa', 'ab'].filter(outcome => outcomes.has(outcome)))
  t.ok(outcomes.has('aa') && outcomes.size > 1)
})

/** So many files, written in the same way by one process and left as chance has it by one power loss. */
async function tornFiles (t: Test, style: LossStyle, count: number, before: Buffer, write: string): Promise<Buffer[]> {
  const { disk, program, loss } = await world(t)
  const paths = Array.from({ length: count }, (_, index) => join(disk.folder, `file-${index}`))
  for (const path of paths) await writeFile(path, before)
  await program(`
    for (let index = 0; index < ${count}; index++) { const fd = fs.openSync('file-' + index, 'r+'); ${write} }
    die()`)
  await loss(style)
  return await Promise.all(paths.map(path => readFile(path)))
}

t.test('Power loss: LMDB keeps what it has synced, and opens whatever else is lost', { skip }, async t => {
  for (const style of ['all', 'cut', 'pages', 'sectors', 'files'] as const) {
    const { disk, program, loss } = await world(t)
    const put = (from: number, to: number): string => `
      for (let index = ${from}; index < ${to}; index++) {
        const txn = env.beginTxn()
        txn.putString(table, 'key-' + index, 'value-' + index)
        txn.commit()
      }`
    const open = `
      const lmdb = require(${LMDB})
      const env = new lmdb.Env()
      env.open({ path: '.', mapSize: 2 ** 24, noMetaSync: true })
      const table = env.openDbi({ name: null, create: true })`
    await program(`${open}; syncFolder('.'); ${put(0, 100)}; env.sync(() => { ${put(100, 200)}; die() })`)
    const { atRisk, lostWrites } = await loss(style, 3)
    t.ok(atRisk > 0 && (style !== 'all' || lostWrites > 0), 'its writes are seen')
    await program(`${open}
      const txn = env.beginTxn({ readOnly: true })
      let count = 0
      while (txn.getString(table, 'key-' + count) === 'value-' + count) count++
      fs.writeFileSync('../count', String(count)); die()`)
    const count = Number(await readFile(join(disk.folder, '../count'), 'utf8'))
    t.ok(count >= 100, `${style}: ${count} of 200`)
  }
})

t.test('Power loss: a disk that lies about syncs loses everything, to the byte (so every change is seen)', { skip }, async t => {
  const { program, loss, names, read, disk } = await world(t, { lies: true })
  await writeFile(join(disk.folder, 'file'), 'old')
  await program("fs.writeFileSync('file', 'new', { flush: true }); fs.mkdirSync('x'); syncFolder('.'); die()")
  await loss('all')
  t.strictSame([await names(), await read('file')], [['file'], 'old'])
})

t.test('Power loss: what the layer cannot undo ends the process (a large mapping is never taken for safe)', { skip }, async t => {
  const { disk } = await world(t)
  const source = `const lmdb = require(${LMDB}); const env = new lmdb.Env()
    env.open({ path: '.', mapSize: 2 ** 24, useWritemap: true })`
  const env = { ...process.env, ...disk.environment }
  await t.rejects(run(process.execPath, ['-e', source], { cwd: disk.folder, env }),
    /power-loss layer: cannot undo a large shared mapping/)
})

t.test('Power loss: the machine has another boot id after each', { skip }, async t => {
  const { program, loss, read } = await world(t)
  const ids = new Set<string | null>()
  for (let index = 0; index < 3; index++) {
    await program("fs.writeFileSync('../seen', fs.readFileSync('/proc/sys/kernel/random/boot_id')); die()")
    ids.add(await read('../seen'))
    await loss('nothing')
  }
  t.equal(ids.size, 3)
})
