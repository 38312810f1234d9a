// The open files of all logs of a store: at most so many, the least recently used closed first, none while it is used.
//
// `acquire` and `release` come in pairs around every operation. A file that was forgotten (deleted or replaced) stays
// open for those who hold it and is closed when the last one lets go.

import assert from 'node:assert'
import type { Disk, DiskError, DiskFile } from './disk.js'

/** An open file and how many operations are using it. */
export interface FileLease {
  readonly path: string
  readonly file: DiskFile
  /** Only FileCache writes these. */
  users: number
  forgotten: boolean
}

type Opened = (error: DiskError | null, lease: FileLease | null) => void

export class FileCache {
  private readonly disk: Disk
  private readonly maxOpen: number
  /** In the order of last use. */
  private readonly open = new Map<string, FileLease>()
  private readonly opening = new Map<string, Opened[]>()
  private readonly closing = new Set<Promise<void>>()
  /** Leases given out and not released. */
  private inUse = 0
  private onRelease: (() => void) | null = null

  constructor (disk: Disk, maxOpen: number) {
    this.disk = disk
    this.maxOpen = maxOpen
  }

  get openCount (): number {
    return this.open.size
  }

  /** The file, if it is open already. The caller must `release` it. */
  acquireOpen (path: string): FileLease | null {
    const lease = this.open.get(path)
    if (lease === undefined) return null
    this.open.delete(path)
    this.open.set(path, lease)
    lease.users++
    this.inUse++
    return lease
  }

  /** The file, opened where it is not; `done` may run before the call returns. The caller must `release` it. */
  acquire (path: string, done: Opened): void {
    const lease = this.acquireOpen(path)
    if (lease !== null) return done(null, lease)
    const waiting = this.opening.get(path)
    if (waiting !== undefined) {
      waiting.push(done)
      return
    }
    const callbacks = [done]
    this.opening.set(path, callbacks)
    this.trim()
    this.disk.open(path, { create: 'never' }).then(
      file => this.onOpen(path, file, callbacks),
      error => this.onOpenFailed(path, error as DiskError, callbacks))
  }

  /** As `acquire`, as a promise. */
  acquireFile (path: string): Promise<FileLease> {
    return new Promise((resolve, reject) => {
      this.acquire(path, (error, lease) => error === null ? resolve(lease!) : reject(error))
    })
  }

  /** Takes in a file that the caller has opened. The caller must `release` it. */
  adopt (path: string, file: DiskFile): FileLease {
    assert(!this.open.has(path), `${path} is open already`)
    const lease: FileLease = { path, file, users: 1, forgotten: false }
    this.open.set(path, lease)
    this.inUse++
    this.trim()
    return lease
  }

  release (lease: FileLease): void {
    assert(lease.users > 0, `${lease.path} was released twice`)
    lease.users--
    this.inUse--
    this.onRelease?.()
    if (lease.users > 0) return
    if (lease.forgotten) this.closeFile(lease)
    else if (this.open.size > this.maxOpen) this.trim()
  }

  /** The file at this path is deleted or replaced: those who hold it keep it, the next `acquire` opens anew. */
  forget (path: string): void {
    const lease = this.open.get(path)
    if (lease === undefined) return
    this.open.delete(path)
    lease.forgotten = true
    if (lease.users === 0) this.closeFile(lease)
  }

  /** Closes all files, once nobody uses them, and waits for it. */
  async close (): Promise<void> {
    for (const path of [...this.open.keys()]) this.forget(path)
    while (this.inUse > 0) await new Promise<void>(resolve => { this.onRelease = resolve })
    await Promise.all(this.closing)
  }

  private onOpen (path: string, file: DiskFile, callbacks: Opened[]): void {
    this.opening.delete(path)
    const lease: FileLease = { path, file, users: callbacks.length, forgotten: false }
    if (this.open.has(path)) lease.forgotten = true // adopted meanwhile: serve these and close it
    else this.open.set(path, lease)
    this.inUse += callbacks.length
    for (const callback of callbacks) callback(null, lease)
  }

  private onOpenFailed (path: string, error: DiskError, callbacks: Opened[]): void {
    this.opening.delete(path)
    for (const callback of callbacks) callback(error, null)
  }

  private trim (): void {
    let excess = this.open.size + this.opening.size - this.maxOpen
    if (excess <= 0) return
    for (const [path, lease] of this.open) {
      if (excess <= 0) return
      if (lease.users > 0) continue
      this.open.delete(path)
      this.closeFile(lease)
      excess--
    }
  }

  private closeFile (lease: FileLease): void {
    // A failed close loses nothing: what had to be durable was synced before.
    const closing: Promise<void> = lease.file.close().catch(() => {}).then(() => { this.closing.delete(closing) })
    this.closing.add(closing)
  }
}
