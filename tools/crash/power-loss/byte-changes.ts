// What was written to the files of a folder and not synced yet, and how to take some of it back.
//
//   synced      w1 ──── w2 ── cut ── w3        changes of one file, by number
//   size        4096    8192  4096   8192      one moment for the size of the file,
//   unit 0      ■                              and one for each unit (page or sector) of it: the unit is what it was
//   unit 1              ■     ✂      ■         then. After a cut that survives, it is what came behind the cut
//
// A disk may write back any page at any moment, so each is left at a moment of its own. A size is metadata: where a cut
// is lost, what was written behind it into the same place is lost too.

import { open, type FileHandle } from 'node:fs/promises'
import { CHANGE, type JournalEntry } from './journal.js'
import type { LossChoice } from './loss-style.js'

interface ByteChange {
  readonly number: number
  readonly isCut: boolean
  readonly position: number
  readonly length: number
  readonly sizeBefore: number
  /** May be shorter than `length`: zeros follow. */
  before: Buffer
  readonly isDurable: boolean
  readonly isMapped: boolean
}

/** By unit: changes from this number on are to be taken back. */
type UnitMoments = ReadonlyMap<number, number>

export class ByteChanges {
  private files = new Map<number, ByteChange[]>()

  add (number: number, entry: JournalEntry): void {
    const { inode, kind, position, length, other: sizeBefore, data: before, isDurable, isMapped } = entry
    const isCut = kind === CHANGE.resize
    let changes = this.files.get(inode)
    if (changes === undefined) this.files.set(inode, changes = [])
    changes.push({ number, isCut, position, length, sizeBefore, before, isDurable, isMapped })
  }

  /** What was written to a file before `begin` is durable. */
  onSync (inode: number, begin: number): void {
    const left = this.files.get(inode)?.filter(change => change.number >= begin || change.isMapped) ?? []
    if (left.length === 0) this.files.delete(inode)
    else this.files.set(inode, left)
  }

  /** Copies what is kept, so that the journals it was read from can go. */
  detach (): void {
    for (const changes of this.files.values()) for (const change of changes) change.before = Buffer.from(change.before)
  }

  /** The file is gone for good, and its inode may come to be another. */
  forget (inode: number): void { this.files.delete(inode) }

  clear (): void { this.files.clear() }

  /** Numbers of all changes that are not durable. */
  numbers (): number[] { return [...this.files.values()].flatMap(changes => changes.map(({ number }) => number)) }

  /** Takes changes back in the files that are there. @returns how many were, in part at least. */
  async undo (paths: ReadonlyMap<number, string>, choice: LossChoice): Promise<number> {
    let undone = 0
    for (const [inode, changes] of this.files) {
      const path = paths.get(inode)
      if (path === undefined) continue
      const file = await open(path, 'r+')
      try {
        undone += await undoIn(file, changes, choice)
      } finally {
        await file.close()
      }
    }
    return undone
  }
}

async function undoIn (file: FileHandle, changes: readonly ByteChange[], choice: LossChoice): Promise<number> {
  choice.beginFile()
  const floor = (changes.findLast(({ isDurable }) => isDurable)?.number ?? -1) + 1
  const later = changes.filter(({ number }) => number >= floor)
  const sizeMoment = choice.pick([floor, ...later.map(({ number }) => number + 1)])
  const firstLost = changes.find(({ number }) => number >= sizeMoment)
  const size = firstLost?.sizeBefore ?? (await file.stat()).size
  const moments = unitMoments(changes, sizeMoment, choice)
  let undone = 0
  for (const change of changes.toReversed()) {
    if (await undoChange(file, change, moments, choice.unitBytes)) undone++
  }
  await file.truncate(size)
  return undone
}

function unitMoments (changes: readonly ByteChange[], sizeMoment: number, choice: LossChoice): UnitMoments {
  const { unitBytes } = choice
  const touching = new Map<number, ByteChange[]>()
  for (const change of changes) {
    for (const unit of unitsOf(change, unitBytes)) {
      const list = touching.get(unit)
      if (list === undefined) touching.set(unit, [change])
      else list.push(change)
    }
  }
  const moments = new Map<number, number>()
  for (const [unit, list] of touching) {
    let floor = 0
    let ceiling = Infinity
    for (const { number, isCut, isDurable } of list) {
      if (isDurable || (isCut && number < sizeMoment)) floor = number + 1
      else if (isCut) ceiling = Math.min(ceiling, number)
    }
    const choices = list.map(({ number }) => number + 1).filter(moment => moment > floor && moment <= ceiling)
    moments.set(unit, choice.pick([floor, ...choices]))
  }
  return moments
}

/** Puts back what was there before a change, unit by unit, where the unit is left at an earlier moment. */
async function undoChange (
  file: FileHandle, change: ByteChange, moments: UnitMoments, unitBytes: number,
): Promise<boolean> {
  const { number, position, length, before } = change
  let from = -1
  const putBack = async (to: number): Promise<void> => {
    const bytes = Buffer.alloc(to - from)
    before.subarray(from - position, to - position).copy(bytes)
    await file.write(bytes, 0, bytes.length, from)
    from = -1
  }
  let isUndone = false
  for (const unit of unitsOf(change, unitBytes)) {
    const start = Math.max(position, unit * unitBytes)
    if (moments.get(unit)! > number) {
      if (from >= 0) await putBack(start)
    } else if (from < 0) {
      from = start
      isUndone = true
    }
  }
  if (from >= 0) await putBack(position + length)
  return isUndone
}

function * unitsOf ({ position, length }: ByteChange, unitBytes: number): Generator<number> {
  if (length === 0) return
  const last = Math.floor((position + length - 1) / unitBytes)
  for (let unit = Math.floor(position / unitBytes); unit <= last; unit++) yield unit
}
