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

/** Ways to write 'new' over 'old' in `file`, and what makes it durable. */
const WAYS: Readonly<Record<string, { write: string, isDurable?: boolean }>> = {
  write: { write: "const fd = fs.openSync('file', 'r+'); fs.writeSync(fd, 'new')" },
  pwrite: { write: "const fd = fs.openSync('file', 'r+'); fs.writeSync(fd, 'new', 0)" },
  writev: { write: "const fd = fs.openSync('file', 'r+'); fs.writevSync(fd, [Buffer.from('n'), Buffer.from('ew')])" },
  pwritev: { write: "const fd = fs.openSync('file', 'r+'); fs.writevSync(fd, [Buffer.from('n'), Buffer.from('ew')], 0)" },
  'write-only descriptor': { write: "const fd = fs.openSync('file', fs.constants.O_WRONLY); fs.writeSync(fd, 'new', 0)" },
  'open with O_TRUNC': { write: "const fd = fs.openSync('file', 'w'); fs.writeSync(fd, 'new')" },
  'ftruncate and append': { write: "const fd = fs.openSync('file', 'a'); fs.ftruncateSync(fd, 0); fs.writeSync(fd, 'new')" },
  'relative path through a folder': { write: "const fd = fs.openSync('../disk/./file', 'r+'); fs.writeSync(fd, 'new', 0)" },
  'thread pool': {
    write: `const fd = fs.openSync('file', 'r+')
      const { promisify } = require('node:util')
      await promisify(fs.write)(fd, Buffer.from('new'), 0, 3, 0)`,
  },
  O_DSYNC: {
    write: "const fd = fs.openSync('file', fs.constants.O_RDWR | fs.constants.O_DSYNC); fs.writeSync(fd, 'new', 0)",
    isDurable: true,
  },
}

for (const [way, { write, isDurable = false }] of Object.entries(WAYS)) {
  t.test(`Power loss: what is written is kept where it was synced, and only there (${way})`, { skip }, async t => {
    for (const [sync, expected] of [
      ['', isDurable ? 'new' : 'old'],
      ['fs.fsyncSync(fd)', 'new'],
      ['fs.fdatasyncSync(fd)', 'new'],
      ["const other = fs.openSync('file', 'r'); fs.fsyncSync(other)", 'new'],
    ] as const) {
      const { disk, program, loss, read } = await world(t)
      await writeFile(join(disk.folder, 'file'), 'old')
      await program(`(async () => { ${write}; ${sync}; die() })()`)
      t.equal(await read('file'), 'new', 'without a power loss all is there')
      await loss('all')
      t.equal(await read('file'), expected, sync === '' ? 'not synced' : sync)
      t.same(await disk.powerLoss(new SeededRandom(1), 'all'), { style: 'all', atRisk: 0, lostWrites: 0, lostNames: 0 })
    }
  })
}

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

for (const [way, change, without, expected] of NAMES) {
  t.test(`Power loss: names are kept where their folder was synced, and only there (${way})`, { skip }, async t => {
    for (const [sync, names] of [['', without], ["syncFolder('.')", expected]] as const) {
      const { disk, program, loss, names: found, read } = await world(t)
      await writeFile(join(disk.folder, 'old'), 'old')
      await program(`${change}; ${sync}; die()`)
      t.strictSame(await found(), [...expected])
      await loss('all')
      t.strictSame(await found(), [...names], sync)
      if (names.includes('old')) t.equal(await read('old'), way === 'replace' && sync !== '' ? 'new' : 'old')
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
    for (let seed = 0; seed < 12; seed++) {
      const { disk, program, loss } = await world(t)
      await writeFile(join(disk.folder, 'file'), Buffer.alloc(16_384, 'a'))
      await program(`
        const fd = fs.openSync('file', 'r+')
        fs.writeSync(fd, Buffer.alloc(16384, 'b'), 0, 16384, 0)
        fs.writeSync(fd, Buffer.alloc(16384, 'c'), 0, 16384, 4096)
        die()`)
      await loss(style, seed)
      const bytes = await readFile(join(disk.folder, 'file'))
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
  const outcomes = new Set<string>()
  for (let seed = 0; seed < 20; seed++) {
    const { disk, program, loss } = await world(t)
    await writeFile(join(disk.folder, 'file'), Buffer.alloc(8192, 'a'))
    await program(`
      const fd = fs.openSync('file', 'r+')
      fs.ftruncateSync(fd, 4096); fs.writeSync(fd, Buffer.alloc(4096, 'b'), 0, 4096, 4096); die()`)
    await loss('pages', seed)
    const text = await readFile(join(disk.folder, 'file'), 'latin1')
    outcomes.add([...text].filter((_, index) => index % 4096 === 0).join('').replaceAll('\0', '0'))
  }
  t.strictSame([...outcomes].sort(), ['a', 'a0', 'aa', 'ab'].filter(outcome => outcomes.has(outcome)))
  t.ok(outcomes.has('aa') && outcomes.size > 1)
})

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
