// One life of a process on a MemoryDisk: the Disk it sees and the files it has open. All end with `kill` or `powerCut`.

import { DiskError, type Disk, type DiskFile } from './disk.js'
import type { MemoryDiskFault, MemoryDiskRequest } from './memory-disk-faults.js'
import { MemoryFile } from './memory-file.js'
import type { MemoryFileSystem } from './memory-file-system.js'

/** What a session needs of its disk. */
export interface MemoryDiskHost {
  readonly fileSystem: MemoryFileSystem
  readonly openLimit: number
  readonly readOnly: boolean
  now (): number
  submit (session: MemoryDiskSession, request: MemoryDiskRequest): void
  /** Called before each name that a `removeDirectory` deletes: throws where the process dies just there. */
  beforeStep (): void
}

export class MemoryDiskSession implements Disk {
  /** Files open now. */
  openCount = 0
  private readonly host: MemoryDiskHost

  constructor (host: MemoryDiskHost) {
    this.host = host
  }

  open (path: string, options: { create: 'never' | 'new' | 'ifMissing', readOnly?: boolean }): Promise<DiskFile> {
    const host = this.host
    return this.promise('open', path, options.create !== 'never', () => {
      if (this.openCount >= host.openLimit) throw new DiskError('EMFILE', 'open', path)
      let node = host.fileSystem.find(path)
      if (node?.isDirectory === true) throw new DiskError('EISDIR', 'open', path)
      if (node !== null && options.create === 'new') throw new DiskError('EEXIST', 'open', path)
      if (node === null && options.create === 'never') throw new DiskError('ENOENT', 'open', path)
      if (host.readOnly && (node === null || options.readOnly !== true)) throw new DiskError('EROFS', 'open', path)
      node ??= host.fileSystem.createFile(path, host.now())
      node.openCount++
      this.openCount++
      return new MemoryDiskFile(path, node, options.readOnly !== true, this, host)
    })
  }

  list (directory: string): Promise<string[]> {
    return this.promise('list', directory, false, () => {
      const node = this.host.fileSystem.find(directory)
      if (node === null) return []
      if (!node.isDirectory) throw new DiskError('ENOTDIR', 'list', directory)
      return [...node.names.keys()].sort()
    })
  }

  stat (path: string): Promise<{ size: number, modifiedMs: number, isDirectory: boolean } | null> {
    return this.promise('stat', path, false, () => {
      const node = this.host.fileSystem.find(path)
      if (node === null) return null
      return node.isDirectory
        ? { size: 0, modifiedMs: 0, isDirectory: true }
        : { size: node.size, modifiedMs: node.modifiedMs, isDirectory: false }
    })
  }

  makeDirectory (path: string): Promise<void> {
    return this.promise('makeDirectory', path, true, () => {
      if (this.host.readOnly && this.host.fileSystem.find(path) === null) {
        throw new DiskError('EROFS', 'makeDirectory', path)
      }
      this.host.fileSystem.makeDirectory(path)
    })
  }

  rename (from: string, to: string): Promise<void> {
    return this.promise('rename', from, true, () => {
      this.assertWritable('rename', from)
      this.host.fileSystem.rename(from, to)
    })
  }

  remove (path: string): Promise<void> {
    return this.promise('remove', path, true, () => {
      this.assertWritable('remove', path)
      this.host.fileSystem.remove(path)
    })
  }

  removeDirectory (path: string): Promise<void> {
    return this.promise('removeDirectory', path, true, () => {
      const node = this.host.fileSystem.find(path)
      if (node === null) return
      if (!node.isDirectory) throw new DiskError('ENOTDIR', 'removeDirectory', path)
      this.assertWritable('removeDirectory', path)
      this.removeTree(path)
    })
  }

  syncDirectory (path: string): Promise<void> {
    const { fileSystem } = this.host
    const sequenceEnd = fileSystem.nextSequence
    return this.promise('syncDirectory', path, true, () => fileSystem.syncDirectory(path, sequenceEnd))
  }

  space (path: string): Promise<{ freeBytes: number, totalBytes: number }> {
    return this.promise('space', path, false, () => {
      const { capacityBytes, usedBytes } = this.host.fileSystem
      const totalBytes = capacityBytes === Infinity ? 2 ** 40 : capacityBytes
      return { freeBytes: Math.max(0, totalBytes - usedBytes), totalBytes }
    })
  }

  private removeTree (path: string): void {
    const { fileSystem } = this.host
    const node = fileSystem.find(path)
    if (node?.isDirectory !== true) {
      this.host.beforeStep()
      return fileSystem.remove(path)
    }
    for (const name of [...node.names.keys()].sort()) this.removeTree(`${path}/${name}`)
    this.host.beforeStep()
    fileSystem.remove(path, true)
  }

  private assertWritable (operation: string, path: string): void {
    if (this.host.readOnly) throw new DiskError('EROFS', operation, path)
  }

  private promise<Result> (
    operation: MemoryDiskRequest['operation'], path: string, mutates: boolean, perform: () => Result
  ): Promise<Result> {
    return new Promise((resolve, reject) => {
      let result: Result
      this.host.submit(this, {
        operation,
        path,
        mutates,
        sizeBytes: 0,
        perform: () => { result = perform() },
        answer: error => error === null ? resolve(result) : reject(error),
      })
    })
  }
}

class MemoryDiskFile implements DiskFile {
  readonly path: string
  private readonly file: MemoryFile
  private readonly writable: boolean
  private readonly session: MemoryDiskSession
  private readonly host: MemoryDiskHost
  private inFlightCount = 0
  private closing: Promise<void> | null = null
  private onIdle: (() => void) | null = null

  constructor (
    path: string, file: MemoryFile, writable: boolean, session: MemoryDiskSession, host: MemoryDiskHost
  ) {
    this.path = path
    this.file = file
    this.writable = writable
    this.session = session
    this.host = host
  }

  write (buffers: readonly Buffer[], position: number, done: (error: DiskError | null) => void): void {
    let sizeBytes = 0
    for (const buffer of buffers) sizeBytes += buffer.length
    this.submit('write', sizeBytes, done, (bytesMax) => {
      this.assertWritable('write')
      // Copied only now: who changes a buffer while it is being written finds out here.
      const bytes = Buffer.concat(buffers)
      this.host.fileSystem.writeFile(this.file, bytes.subarray(0, Math.min(bytesMax, sizeBytes)), position, this.path)
      this.file.modifiedMs = this.host.now()
    })
  }

  sync (done: (error: DiskError | null) => void): void {
    // As little as is promised: what is being written now, or is written before the sync is done, is not covered.
    const sequenceEnd = this.host.fileSystem.nextSequence
    this.submit('sync', 0, done, () => this.file.sync(sequenceEnd))
  }

  read (target: Buffer, position: number, done: (error: DiskError | null, bytesRead: number) => void): void {
    let bytesRead = 0
    this.submit('read', target.length, error => done(error, error === null ? bytesRead : 0), () => {
      bytesRead = this.file.read(target, position)
    })
  }

  size (): Promise<number> {
    return new Promise((resolve, reject) => {
      let size = 0
      this.submit('size', 0, error => error === null ? resolve(size) : reject(error), () => { size = this.file.size })
    })
  }

  truncate (size: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.submit('truncate', 0, error => error === null ? resolve() : reject(error), () => {
        this.assertWritable('truncate')
        this.host.fileSystem.resizeFile(this.file, size, this.path)
        this.file.modifiedMs = this.host.now()
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
      this.host.submit(this.session, {
        operation: 'close',
        path: this.path,
        mutates: false,
        sizeBytes: 0,
        perform: () => {
          this.session.openCount--
          this.host.fileSystem.closeFile(this.file)
        },
        answer: error => error === null ? resolve() : reject(error),
      })
    })
  }

  private assertWritable (operation: string): void {
    if (!this.writable) throw new DiskError('EBADF', operation, this.path)
    if (this.host.readOnly) throw new DiskError('EROFS', operation, this.path)
  }

  private submit (
    operation: MemoryDiskRequest['operation'], sizeBytes: number,
    done: (error: DiskError | null) => void, perform: (bytesMax: number) => void
  ): void {
    const closed = this.closing !== null
    this.inFlightCount++
    this.host.submit(this.session, {
      operation,
      path: this.path,
      mutates: operation === 'write' || operation === 'sync' || operation === 'truncate',
      sizeBytes,
      perform: (bytesMax) => {
        if (closed) throw new DiskError('EBADF', operation, this.path)
        perform(bytesMax)
      },
      performFailing: (fault: MemoryDiskFault) => {
        if (operation === 'sync') this.file.failSync(fault.dirty ?? 'forgotten')
      },
      answer: (error) => {
        this.inFlightCount--
        if (this.inFlightCount === 0 && this.onIdle !== null) this.onIdle()
        done(error)
      },
    })
  }
}
