// A disk in memory, for tests and the simulator: it behaves as a real one does on its worst day, on command and
// always the same way.
//
//   call --> waiting --schedule--> performed and answered    One request. It takes effect and answers at one moment,
//               |                                            which the injected `schedule` chooses.
//             hold()
//
//   in flight                        written                      synced
//   kill():     done or not          stays                        stays
//   powerCut(): done or not          any part of it stays         stays
//
// - Deterministic: no clock and no randomness but those injected. The same calls, schedule and random numbers give the
//   same contents, the same answers in the same order.
// - As pessimistic as the interface allows: a sync covers what had been answered when it was called; names last only by
//   `syncDirectory`; the buffers of a write are read when it is performed, so they must not change until it answers.
// - The disk outlives the process. `kill` and `powerCut` end the life of all files open and all requests under way;
//   what the dead still ask for fails with EBADF. `MemoryDisk` itself can be used on, as the Disk of the next process;
//   where parts of the old one may still run, give each life a Disk of its own with `attach`.
//
//   const disk = new MemoryDisk()
//   const log = await openLog(disk)
//   const clear = disk.fail({ path: /\.log$/, operation: 'sync', code: 'EIO', times: 1 })
//   disk.powerCut({ keep: 'prefix', tear: 'byte' })
//   const recovered = await openLog(disk)
//
// A scenario that crashes before each of its steps in turn:
//
//   for (let step = 1; ; step++) {
//     const disk = new MemoryDisk()
//     const crashed = await disk.crashDuring(step, () => scenario(disk.attach()))
//     disk.powerCut()
//     ... recover and check ...
//     if (!crashed) break
//   }

import { DiskError, type Disk, type DiskFile } from './disk.js'
import {
  MemoryDiskFaults, type DiskOperation, type DiskOperationPattern, type MemoryDiskFault, type MemoryDiskRequest
} from './memory-disk-faults.js'
import { MemoryDiskSession, type MemoryDiskHost } from './memory-disk-session.js'
import type { Survival } from './memory-file.js'
import { MemoryFileSystem, type NameSurvival } from './memory-file-system.js'

/** What a scheduler may go by. */
export interface ScheduledRequest { operation: DiskOperation, path: string, sizeBytes: number, delayMs: number }

export interface MemoryDiskOptions {
  /**
   * Runs `perform` later, never before it has returned. `request.delayMs` is what `slow` asks for; whether, and in what
   * time, is up to the scheduler. Default: `setImmediate`, in the order of the calls, and `setTimeout` for a delay.
   */
  schedule?: (perform: () => void, request: ScheduledRequest) => void
  /** Numbers in [0, 1) that decide what crashes leave. Default: a fixed sequence. */
  random?: () => number
  /** The time of modification given to files, in milliseconds. Default: always 0. */
  now?: () => number
  /** See `setCapacity`. Default: unlimited. */
  capacityBytes?: number
}

/** What becomes of requests not yet answered: none is done, all are, or by chance (writes also in part). */
export type InFlightFate = 'lost' | 'done' | 'random'

export interface KillOptions {
  /** Default: 'random'. */
  inFlight?: InFlightFate
}

export interface PowerCutOptions extends KillOptions {
  /**
   * What is left of the bytes written to a file and not synced.
   * - 'none', 'all'
   * - 'prefix': up to some byte, in the order of the writes.
   * - 'subset': any sectors of them, and the file as long as it had been, or not: disks write in an order of their own.
   * - 'random': one of these, drawn for each file.
   * - a function: exactly the first so many of the file's unsynced bytes, of which there are `unsyncedBytes`; a
   *   truncation that was not synced counts as one byte.
   *
   * Default: 'random'.
   */
  keep?: 'none' | 'all' | 'prefix' | 'subset' | 'random' | ((path: string, unsyncedBytes: number) => number)
  /** Where these may cut: between sectors of 512 bytes, or at any byte. Default: drawn for each file. */
  tear?: 'sector' | 'byte'
  /**
   * What is left of names created, renamed and deleted whose directory was not synced: 'prefix' is the first so many
   * changes, as with a journal; 'subset' any of them, but for those of one file, which stay in order.
   * Default: 'random'.
   */
  names?: NameSurvival | 'random'
}

const KEEP_CHOICES = ['none', 'all', 'prefix', 'subset'] as const
const NAME_CHOICES = ['none', 'all', 'prefix', 'subset'] as const

/** Thrown inside a request when the process dies in the middle of it. */
const CRASH = Symbol('crash')

interface PendingRequest { readonly request: MemoryDiskRequest, readonly delayMs: number, held: boolean }

export class MemoryDisk implements Disk {
  private readonly schedule: NonNullable<MemoryDiskOptions['schedule']>
  private readonly random: () => number
  private readonly faults = new MemoryDiskFaults()
  private readonly host: MemoryDiskHost
  private readonly counts = new Map<DiskOperation, number>()
  private readonly now: () => number
  private fileSystem = new MemoryFileSystem()
  private openLimit = Infinity
  private readOnly = false
  private pending = new Set<PendingRequest>()
  private sessions = new Set<MemoryDiskSession>()
  private session: MemoryDiskSession
  /** Changes that still happen before the crash ordered by `crashDuring`. */
  private changesLeft = Infinity
  private onCrash: (() => void) | null = null

  constructor (options: MemoryDiskOptions = {}) {
    this.schedule = options.schedule ?? ((perform, { delayMs }) => {
      if (delayMs > 0) setTimeout(perform, delayMs)
      else setImmediate(perform)
    })
    this.random = options.random ?? fixedRandom()
    this.now = options.now ?? (() => 0)
    this.fileSystem.capacityBytes = options.capacityBytes ?? Infinity
    this.host = this.hostOfSessions()
    this.session = this.newSession()
  }

  // The Disk of the current life.

  open (path: string, options: { create: 'never' | 'new' | 'ifMissing', readOnly?: boolean }): Promise<DiskFile> {
    return this.session.open(path, options)
  }

  list (directory: string): Promise<string[]> { return this.session.list(directory) }

  stat (path: string): Promise<{ size: number, modifiedMs: number, isDirectory: boolean } | null> {
    return this.session.stat(path)
  }

  makeDirectory (path: string): Promise<void> { return this.session.makeDirectory(path) }
  rename (from: string, to: string): Promise<void> { return this.session.rename(from, to) }
  remove (path: string): Promise<void> { return this.session.remove(path) }
  removeDirectory (path: string): Promise<void> { return this.session.removeDirectory(path) }
  syncDirectory (path: string): Promise<void> { return this.session.syncDirectory(path) }
  space (path: string): Promise<{ freeBytes: number, totalBytes: number }> { return this.session.space(path) }

  /** A Disk that lives until the next `kill`, `powerCut` or `restore`: after it, all it is asked fails with EBADF. */
  attach (): Disk {
    return this.newSession()
  }

  // Crashes.

  /** Ends the process: requests under way are never answered, handles die, what was written stays. */
  kill (options: KillOptions = {}): void {
    this.endLife(options.inFlight ?? 'random')
    this.fileSystem.closeAll()
  }

  /** Cuts the power: as `kill`, and of what was not synced only part is left. */
  powerCut (options: PowerCutOptions = {}): void {
    this.endLife(options.inFlight ?? 'random')
    const { keep = 'random', tear, names = 'random' } = options
    const survivalOf = (path: string, unsyncedBytes: number): Survival => ({
      keep: typeof keep === 'function'
        ? keep(path, unsyncedBytes)
        : keep === 'random' ? this.choose(KEEP_CHOICES) : keep,
      tear: tear ?? this.choose(['sector', 'byte'] as const),
    })
    this.fileSystem.powerCut(
      names === 'random' ? this.choose(NAME_CHOICES) : names,
      (path, file) => survivalOf(path, file.dirtyBytes),
      this.random)
  }

  /**
   * Runs `scenario` and crashes before its `step`th change (counted from 1): it and all that is asked later do not
   * happen and are never answered. Answers true when the crash came, and then `kill` or `powerCut` starts the next
   * life; false when the scenario ended before. Changes are writes, syncs, truncations, creations, renames and
   * deletions, each file of a directory that is deleted counting as one. An error of the scenario before the crash is
   * the caller's.
   */
  async crashDuring (step: number, scenario: () => Promise<unknown>): Promise<boolean> {
    let crashed = false
    const crash = new Promise<void>(resolve => {
      this.onCrash = () => {
        crashed = true
        resolve()
      }
    })
    this.changesLeft = step - 1
    await Promise.race([scenario(), crash])
    if (!crashed) this.disarmCrash()
    return crashed
  }

  // Faults.

  /** Makes operations fail; see MemoryDiskFault. Returns the function that mends it. */
  fail (fault: MemoryDiskFault): () => void {
    return this.faults.addFault(fault)
  }

  /** Makes operations wait `delayMs` through the scheduler. Returns the function that ends it. */
  slow (pattern: DiskOperationPattern, delayMs: number): () => void {
    return this.faults.addDelay(pattern, delayMs)
  }

  /** Keeps operations waiting, neither performed nor answered, until the returned function is called. */
  hold (pattern: DiskOperationPattern): () => void {
    const remove = this.faults.addHold(pattern)
    return () => {
      remove()
      for (const pending of this.pending) {
        if (!pending.held || this.faults.holds(pending.request.operation, pending.request.path)) continue
        pending.held = false
        this.start(pending)
      }
    }
  }

  /** Ends every `fail` and `slow`. */
  clearFaults (): void {
    this.faults.clear()
  }

  /** Files take up their size; beyond `bytes` writes fail with ENOSPC, having written what fits. */
  setCapacity (bytes: number): void {
    this.fileSystem.capacityBytes = bytes
  }

  /** While set, changes fail with EROFS, as does opening for writing. */
  setReadOnly (readOnly: boolean): void {
    this.readOnly = readOnly
  }

  /** Files one life may have open at once; opening more fails with EMFILE. */
  setOpenLimit (count: number): void {
    this.openLimit = count
  }

  /** Flips one bit (0 the lowest) on the medium and in the cache. */
  flipBit (path: string, position: number, bit = 0): void {
    const file = this.fileSystem.findFile(path, 'flipBit')
    if (position >= file.size) throw new RangeError(`${path} has only ${file.size} bytes.`)
    const byte = Buffer.alloc(1)
    file.read(byte, position)
    byte[0]! ^= 1 << bit
    file.corrupt(byte, position)
  }

  /** Overwrites bytes on the medium and in the cache, as a misdirected write does. */
  corrupt (path: string, position: number, bytes: Buffer): void {
    this.fileSystem.findFile(path, 'corrupt').corrupt(bytes, position)
  }

  // Looking at it.

  /** What a reader of the file sees now. */
  contents (path: string): Buffer {
    const file = this.fileSystem.findFile(path, 'contents')
    const bytes = Buffer.alloc(file.size)
    file.read(bytes, 0)
    return bytes
  }

  /** What of the file's contents is sure to outlive a power cut; whether its name is, too, is another question. */
  durableContents (path: string): Buffer {
    return this.fileSystem.findFile(path, 'durableContents').durableContents()
  }

  /** Paths of all files, in order. */
  paths (): string[] {
    return Array.from(this.fileSystem.files(), ([path]) => path)
  }

  /** How many of an operation were performed so far, failed ones included. */
  count (operation: DiskOperation): number {
    return this.counts.get(operation) ?? 0
  }

  /** Files open now, in all lives. */
  get openCount (): number {
    let count = 0
    for (const session of this.sessions) count += session.openCount
    return count
  }

  /** Requests not yet answered, those held included. */
  get pendingCount (): number {
    return this.pending.size
  }

  /** A copy of everything on the disk, written and synced, for `restore`. */
  snapshot (): MemoryDiskSnapshot {
    return new MemoryDiskSnapshot(this.fileSystem.clone())
  }

  /** Puts the disk back to a snapshot, which can be used again; as with `kill`, all handles die. */
  restore (snapshot: MemoryDiskSnapshot): void {
    this.endLife('lost')
    this.fileSystem = snapshot.fileSystem.clone()
  }

  private hostOfSessions (): MemoryDiskHost {
    const fileSystem = (): MemoryFileSystem => this.fileSystem
    const openLimit = (): number => this.openLimit
    const readOnly = (): boolean => this.readOnly
    return {
      get fileSystem () { return fileSystem() },
      get openLimit () { return openLimit() },
      get readOnly () { return readOnly() },
      now: this.now,
      submit: (session, request) => this.submit(session, request),
      beforeStep: () => this.beforeChange(),
    }
  }

  private newSession (): MemoryDiskSession {
    const session = new MemoryDiskSession(this.host)
    this.sessions.add(session)
    return session
  }

  private submit (session: MemoryDiskSession, request: MemoryDiskRequest): void {
    const { operation, path } = request
    if (!this.sessions.has(session)) {
      setImmediate(() => request.answer(new DiskError('EBADF', operation, path)))
      return
    }
    const pending = {
      request, delayMs: this.faults.delayMs(operation, path), held: this.faults.holds(operation, path),
    }
    this.pending.add(pending)
    if (!pending.held) this.start(pending)
  }

  private start (pending: PendingRequest): void {
    const { request: { operation, path, sizeBytes }, delayMs } = pending
    this.schedule(() => this.run(pending), { operation, path, sizeBytes, delayMs })
  }

  private run (pending: PendingRequest): void {
    if (!this.pending.has(pending) || this.changesLeft < 0) return
    const { request } = pending
    let error: DiskError | null = null
    try {
      if (request.mutates && request.operation !== 'removeDirectory') this.beforeChange()
      this.counts.set(request.operation, this.count(request.operation) + 1)
      this.perform(request)
    } catch (failure) {
      if (failure === CRASH) return
      if (!(failure instanceof DiskError)) throw failure
      error = failure
    }
    this.pending.delete(pending)
    request.answer(error)
  }

  private perform (request: MemoryDiskRequest): void {
    const { operation, path } = request
    const fault = this.faults.take(operation, path)
    if (fault === null) return request.perform(Infinity)
    if (operation === 'write' && (fault.writtenBytes ?? 0) > 0) request.perform(fault.writtenBytes!)
    // Linux gives the handle back even when close fails.
    if (operation === 'close') request.perform(Infinity)
    request.performFailing?.(fault)
    throw new DiskError(fault.code, operation, path)
  }

  private beforeChange (): void {
    if (this.changesLeft > 0) {
      this.changesLeft--
      return
    }
    this.changesLeft = -1
    this.onCrash?.()
    throw CRASH
  }

  private disarmCrash (): void {
    this.changesLeft = Infinity
    this.onCrash = null
  }

  private endLife (inFlight: InFlightFate): void {
    const pendings = this.changesLeft < 0 ? [] : [...this.pending]
    this.pending.clear()
    this.sessions.clear()
    this.disarmCrash()
    for (const { request } of pendings) {
      if (!request.mutates || inFlight === 'lost' || (inFlight === 'random' && this.random() < 0.5)) continue
      const bytesMax = inFlight === 'random' && this.random() < 0.5
        ? Math.floor(this.random() * (request.sizeBytes + 1))
        : Infinity
      try {
        request.perform(bytesMax)
      } catch (error) {
        // Nobody is there any more to be told.
        if (!(error instanceof DiskError)) throw error
      }
    }
    this.session = this.newSession()
  }

  private choose<Choice> (choices: readonly Choice[]): Choice {
    return choices[Math.floor(this.random() * choices.length)]!
  }
}

/** What was on a MemoryDisk at one moment. */
export class MemoryDiskSnapshot {
  readonly fileSystem: MemoryFileSystem

  constructor (fileSystem: MemoryFileSystem) {
    this.fileSystem = fileSystem
  }
}

/** Mulberry32 with a fixed seed: the same numbers in every run. */
function fixedRandom (): () => number {
  let state = 1
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
