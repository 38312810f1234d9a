// The seam between the log and the operating system: everything that storage does to files goes through a `Disk`.
//
// NodeDisk is the real one. MemoryDisk is for tests and the simulator: it keeps, per file, what would survive a power
// cut apart from what was only written, and can fail, tear, flip and slow down on demand.
//
// - Paths are absolute, '/'-separated. Positions and sizes are bytes.
// - Failures are `DiskError`s with the operating system's code: 'ENOSPC', 'EIO', 'EMFILE', 'EROFS', 'ENOENT', ….
// - Writes become durable only by `sync` of the file; a new, renamed or deleted name only by `syncDirectory`.
// - The hot path takes callbacks, which never run before the call has returned; everything rarer returns a promise.

/** An open file. Handles are bound to one file and stay valid until `close`, even when the file is deleted. */
export interface DiskFile {
  readonly path: string
  /**
   * Writes all of `buffers`, one after the other, from `position` on. Not durable until `sync`.
   * On an error any part of it may have been written.
   */
  write (buffers: readonly Buffer[], position: number, done: (error: DiskError | null) => void): void
  /** Makes everything durable that was written before the call (fdatasync). After an error the contents are unknown. */
  sync (done: (error: DiskError | null) => void): void
  /** Reads up to `target.length` bytes from `position`; fewer only at the end of the file. */
  read (target: Buffer, position: number, done: (error: DiskError | null, bytesRead: number) => void): void
  size (): Promise<number>
  /** Cuts the file, or fills it with zeros, to `size` bytes. */
  truncate (size: number): Promise<void>
  /** Waits for the operations under way, then gives the handle back. Operations started after it fail with 'EBADF'. */
  close (): Promise<void>
}

export interface Disk {
  /**
   * Opens a file for reading and, unless `readOnly`, writing.
   * `create: 'never'`: it must be there; `'new'`: it must not be there; `'ifMissing'`: either way.
   */
  open (path: string, options: { create: 'never' | 'new' | 'ifMissing', readOnly?: boolean }): Promise<DiskFile>
  /** Names in a directory, sorted; an empty list where it is missing. */
  list (directory: string): Promise<string[]>
  stat (path: string): Promise<{ size: number, modifiedMs: number, isDirectory: boolean } | null>
  /** Makes a directory and those above it; no error where it is there. */
  makeDirectory (path: string): Promise<void>
  rename (from: string, to: string): Promise<void>
  /** Deletes a file; no error where it is missing. */
  remove (path: string): Promise<void>
  /** Deletes a directory with all it holds; no error where it is missing. */
  removeDirectory (path: string): Promise<void>
  /** Makes the names in a directory durable. */
  syncDirectory (path: string): Promise<void>
  /** Free and total bytes of the file system that holds `path`. */
  space (path: string): Promise<{ freeBytes: number, totalBytes: number }>
}

/** A failed disk operation. `code` is the operating system's error code; the message names operation and path. */
export class DiskError extends Error {
  readonly code: string
  readonly operation: string
  readonly path: string

  constructor (code: string, operation: string, path: string, cause?: unknown) {
    super(`${operation} ${path}: ${code}`, { cause })
    this.name = 'DiskError'
    this.code = code
    this.operation = operation
    this.path = path
  }

  /** The DiskError of a failed system call; what is a DiskError already stays as it is. */
  static from (error: unknown, operation: string, path: string): DiskError {
    if (error instanceof DiskError) return error
    return new DiskError((error as NodeJS.ErrnoException).code ?? 'EIO', operation, path, error)
  }

  /** True where the same operation may succeed later without a restart: disk full, read-only, or out of handles. */
  get passing (): boolean {
    return this.code === 'ENOSPC' || this.code === 'EDQUOT' || this.code === 'EROFS' ||
      this.code === 'EMFILE' || this.code === 'ENFILE'
  }
}
