import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import t, { type Test } from 'tap'
import { read, testDiskContract, write } from './disk-contract.js'
import { DiskError } from './disk.js'
import { NodeDiskFile } from './node-disk-file.js'
import { NodeDisk } from './node-disk.js'

function folder (t: Test): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-disk-'))
  t.teardown(() => fs.rmSync(directory, { recursive: true, force: true }))
  return directory
}

testDiskContract(t, async t => ({ disk: new NodeDisk(), folder: folder(t) }))

t.test('NodeDisk: writes and reads cut short by the system are continued', async (t) => {
  const fullWritev = fs.writev
  const fullRead = fs.read
  // Both take at most 100 bytes a call, and a write sometimes ends on the border of two buffers.
  const shortWritev = (fd: number, buffers: Buffer[], position: number, done: never): void => {
    const first = buffers.find(buffer => buffer.length > 0)!
    const count = Math.min(100, first.length)
    fullWritev(fd, [first.subarray(0, count)], position, done)
  }
  const shortRead = (fd: number, target: Buffer, offset: number, size: number, position: number, done: never): void => {
    fullRead(fd, target, offset, Math.min(100, size), position, done)
  }
  t.teardown(() => Object.assign(fs, { writev: fullWritev, read: fullRead }))
  Object.assign(fs, { writev: shortWritev, read: shortRead })
  const file = await new NodeDisk().open(`${folder(t)}/a`, { create: 'new' })
  const buffers = Array.from({ length: 1500 }, (_, i) => Buffer.alloc(i * 13 % 250, i))
  await write(file, buffers, 10)
  t.ok((await read(file, 10, 300_000)).equals(Buffer.concat(buffers)))
  await file.close()
})

t.test('NodeDisk: a write that takes nothing fails instead of going on for ever', async (t) => {
  const fullWritev = fs.writev
  t.teardown(() => Object.assign(fs, { writev: fullWritev }))
  const file = await new NodeDisk().open(`${folder(t)}/a`, { create: 'new' })
  const idleWritev = (_fd: number, _buffers: Buffer[], _position: number, done: (...args: unknown[]) => void): void => {
    setImmediate(done, null, 0)
  }
  Object.assign(fs, { writev: idleWritev })
  await t.rejects(write(file, [Buffer.from('x')], 0), { code: 'EIO', operation: 'write' })
  await file.close()
})

t.test('NodeDisk: errors carry the code of the system, the operation and the path', async (t) => {
  const file = new NodeDiskFile('/gone', 1_000_000)
  const expected = { name: 'DiskError', code: 'EBADF', operation: 'write', path: '/gone' }
  await t.rejects(write(file, [Buffer.from('x')], 0), expected)
  await t.rejects(file.close(), { code: 'EBADF', operation: 'close' })
  const error = new DiskError('ENOSPC', 'write', '/a')
  t.equal(error.message, 'write /a: ENOSPC')
  t.ok(error.passing)
  t.notOk(new DiskError('EIO', 'sync', '/a').passing)
  t.equal(DiskError.from(error, 'open', '/b'), error, 'an error is wrapped once')
})

t.test('NodeDisk: a full disk is reported as ENOSPC, and what was written before stays', async (t) => {
  const directory = folder(t)
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', directory]).status !== 0) {
    t.plan(0, 'needs the right to mount a small tmpfs')
    return
  }
  t.teardown(() => spawnSync('umount', ['-l', directory]))
  const disk = new NodeDisk()
  const file = await disk.open(`${directory}/a`, { create: 'new' })
  await write(file, [Buffer.alloc(200_000, 1)], 0)
  await t.rejects(write(file, [Buffer.alloc(50_000, 2), Buffer.alloc(50_000, 2)], 200_000), { code: 'ENOSPC' })
  t.ok((await read(file, 0, 200_000)).equals(Buffer.alloc(200_000, 1)))
  t.ok((await disk.space(directory)).freeBytes < 8192)
  await file.truncate(0)
  await write(file, [Buffer.alloc(100_000, 3)], 0)
  await file.close()
})
