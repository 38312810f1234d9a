// The faults a test has ordered from a MemoryDisk: which operations on which paths fail, wait or are slow.

import type { DiskError } from './disk.js'

/** The operations of `Disk` and `DiskFile`, by the names of their methods. */
export type DiskOperation = 'open' | 'write' | 'sync' | 'read' | 'size' | 'truncate' | 'close' | 'list' | 'stat' |
  'makeDirectory' | 'rename' | 'remove' | 'removeDirectory' | 'syncDirectory' | 'space'

/** Which operations are meant. */
export interface DiskOperationPattern {
  /** A file, a folder with all in it, or a pattern. A rename goes by its old path. Default: any. */
  path?: string | RegExp
  /** Default: any. */
  operation?: DiskOperation | readonly DiskOperation[]
}

export interface MemoryDiskFault extends DiskOperationPattern {
  /** The operating system's error code, for example 'EIO'. */
  code: string
  /** Operations meant that succeed first. Default: 0. */
  after?: number
  /** Operations meant that fail then. Default: all, until the fault is cleared. */
  times?: number
  /** For 'write': bytes of it that are written all the same. Default: 0. */
  writtenBytes?: number
  /**
   * For 'sync': what becomes of the changes that were not synced.
   * - 'kept': they stay dirty; a later sync makes them durable.
   * - 'reverted': they are dropped; reads see the old contents again.
   * - 'forgotten': they stay readable but count as clean: a later sync succeeds and does not make them durable, as on
   *   Linux with ext4. This is why a failed fsync must never be repeated.
   *
   * Default: 'forgotten'.
   */
  dirty?: 'kept' | 'reverted' | 'forgotten'
}

interface OrderedFault { readonly fault: MemoryDiskFault, seenCount: number }
interface OrderedDelay { readonly pattern: DiskOperationPattern, readonly delayMs: number }

export class MemoryDiskFaults {
  private faults: OrderedFault[] = []
  private heldPatterns: DiskOperationPattern[] = []
  private delays: OrderedDelay[] = []

  /** Returns the function that clears it. */
  addFault (fault: MemoryDiskFault): () => void {
    const ordered = { fault, seenCount: 0 }
    this.faults.push(ordered)
    return () => { this.faults = this.faults.filter(other => other !== ordered) }
  }

  addHold (pattern: DiskOperationPattern): () => void {
    this.heldPatterns.push(pattern)
    return () => { this.heldPatterns = this.heldPatterns.filter(other => other !== pattern) }
  }

  addDelay (pattern: DiskOperationPattern, delayMs: number): () => void {
    const ordered = { pattern, delayMs }
    this.delays.push(ordered)
    return () => { this.delays = this.delays.filter(other => other !== ordered) }
  }

  /** Clears faults and delays; holds stay until they are released. */
  clear (): void {
    this.faults = []
    this.delays = []
  }

  /** The fault that meets this operation, which is counted. */
  take (operation: DiskOperation, path: string): MemoryDiskFault | null {
    for (const ordered of this.faults) {
      const { fault } = ordered
      if (!matches(fault, operation, path)) continue
      const index = ordered.seenCount++ - (fault.after ?? 0)
      if (index >= 0 && index < (fault.times ?? Infinity)) return fault
    }
    return null
  }

  holds (operation: DiskOperation, path: string): boolean {
    return this.heldPatterns.some(pattern => matches(pattern, operation, path))
  }

  delayMs (operation: DiskOperation, path: string): number {
    let delayMs = 0
    for (const delay of this.delays) {
      if (matches(delay.pattern, operation, path)) delayMs = Math.max(delayMs, delay.delayMs)
    }
    return delayMs
  }
}

function matches (pattern: DiskOperationPattern, operation: DiskOperation, path: string): boolean {
  if (pattern.operation !== undefined) {
    const isMeant = typeof pattern.operation === 'string'
      ? pattern.operation === operation
      : pattern.operation.includes(operation)
    if (!isMeant) return false
  }
  if (pattern.path === undefined) return true
  if (typeof pattern.path === 'string') return pattern.path === path || path.startsWith(`${pattern.path}/`)
  pattern.path.lastIndex = 0
  return pattern.path.test(path)
}

/** An operation on its way through the disk. */
export interface MemoryDiskRequest {
  readonly operation: DiskOperation
  readonly path: string
  /** Whether it changes what is on the disk: such an operation counts for `crashDuring`. */
  readonly mutates: boolean
  /** Bytes to write or read, else 0: for a scheduler that makes big operations slower. */
  readonly sizeBytes: number
  /** Does it, or throws a DiskError. A write does at most `bytesMax` of it; a sync may be told to fail. */
  perform (bytesMax: number): void
  /** Called in place of `perform` when a sync is to fail. */
  performFailing?(fault: MemoryDiskFault): void
  answer (error: DiskError | null): void
}
