// One open file of the operating system.
//
// `close` waits for the operations under way before it gives the descriptor back: the kernel hands a freed number to
// the next file opened, and a late write would land there. Operations after `close` fail with EBADF.

import fs from 'node:fs'
import { DiskError, type DiskFile } from './disk.js'

/** IOV_MAX of Linux: a vectored write takes no more. */
const BUFFERS_PER_WRITE_MAX = 1024

export class NodeDiskFile implements DiskFile {
  readonly path: string
  private readonly descriptor: number
  private inFlightCount = 0
  private closing: Promise<void> | null = null
  private onIdle: (() => void) | null = null

  constructor (path: string, descriptor: number) {
    this.path = path
    this.descriptor = descriptor
  }

  write (buffers: readonly Buffer[], position: number, done: (error: DiskError | null) => void): void {
    if (!this.begin('write', done)) return
    let leftBytes = 0
    for (let i = 0; i < buffers.length; i++) leftBytes += buffers[i]!.length
    if (leftBytes === 0) {
      setImmediate(() => this.end(done, null))
      return
    }
    let batch = buffers.length > BUFFERS_PER_WRITE_MAX ? buffers.slice(0, BUFFERS_PER_WRITE_MAX) : buffers
    let nextIndex = batch.length
    const onWritten = (error: NodeJS.ErrnoException | null, writtenBytes: number): void => {
      if (error !== null) return this.end(done, DiskError.from(error, 'write', this.path))
      leftBytes -= writtenBytes
      if (leftBytes === 0) return this.end(done, null)
      position += writtenBytes
      // A write that takes nothing and reports nothing would be repeated for ever.
      const batchIsEmpty = batch.every(buffer => buffer.length === 0)
      if (writtenBytes === 0 && !batchIsEmpty) return this.end(done, new DiskError('EIO', 'write', this.path))
      const rest = dropBytes(batch, writtenBytes)
      const added = buffers.slice(nextIndex, nextIndex + BUFFERS_PER_WRITE_MAX - rest.length)
      nextIndex += added.length
      batch = rest.concat(added)
      fs.writev(this.descriptor, batch, position, onWritten)
    }
    fs.writev(this.descriptor, batch as Buffer[], position, onWritten)
  }

  sync (done: (error: DiskError | null) => void): void {
    if (!this.begin('sync', done)) return
    fs.fdatasync(this.descriptor, (error) => {
      this.end(done, error === null ? null : DiskError.from(error, 'sync', this.path))
    })
  }

  read (target: Buffer, position: number, done: (error: DiskError | null, bytesRead: number) => void): void {
    if (!this.begin('read', done)) return
    let totalBytes = 0
    const onRead = (error: NodeJS.ErrnoException | null, bytesRead: number): void => {
      if (error !== null) return this.end(done, DiskError.from(error, 'read', this.path))
      totalBytes += bytesRead
      if (bytesRead === 0 || totalBytes === target.length) {
        this.leave()
        return done(null, totalBytes)
      }
      fs.read(this.descriptor, target, totalBytes, target.length - totalBytes, position + totalBytes, onRead)
    }
    fs.read(this.descriptor, target, 0, target.length, position, onRead)
  }

  size (): Promise<number> {
    return new Promise((resolve, reject) => {
      const done = (error: DiskError | null): void => { if (error !== null) reject(error) }
      if (!this.begin('size', done)) return
      fs.fstat(this.descriptor, (error, stats) => {
        if (error === null) resolve(stats.size)
        this.end(done, error === null ? null : DiskError.from(error, 'size', this.path))
      })
    })
  }

  truncate (size: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (error: DiskError | null): void => error === null ? resolve() : reject(error)
      if (!this.begin('truncate', done)) return
      fs.ftruncate(this.descriptor, size, (error) => {
        this.end(done, error === null ? null : DiskError.from(error, 'truncate', this.path))
      })
    })
  }

  close (): Promise<void> {
    this.closing ??= this.shut()
    return this.closing
  }

  private async shut (): Promise<void> {
    if (this.inFlightCount > 0) await new Promise<void>(resolve => { this.onIdle = resolve })
    await new Promise<void>((resolve, reject) => {
      // Even a failed close gives the descriptor back on Linux: it must never be repeated.
      fs.close(this.descriptor, error => {
        if (error) reject(DiskError.from(error, 'close', this.path))
        else resolve()
      })
    })
  }

  private begin (operation: string, done: (error: DiskError, bytesRead: number) => void): boolean {
    if (this.closing === null) {
      this.inFlightCount++
      return true
    }
    setImmediate(done, new DiskError('EBADF', operation, this.path), 0)
    return false
  }

  private end (done: (error: DiskError | null, bytesRead: number) => void, error: DiskError | null): void {
    this.leave()
    done(error, 0)
  }

  private leave (): void {
    this.inFlightCount--
    if (this.inFlightCount === 0 && this.onIdle !== null) this.onIdle()
  }
}

/** What is left of `buffers` after their first `count` bytes. */
function dropBytes (buffers: readonly Buffer[], count: number): Buffer[] {
  let index = 0
  while (index < buffers.length && count >= buffers[index]!.length) count -= buffers[index++]!.length
  const rest = buffers.slice(index)
  if (count > 0) rest[0] = rest[0]!.subarray(count)
  return rest
}
