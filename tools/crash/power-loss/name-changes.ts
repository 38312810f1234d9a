// What became of names in a folder and is not synced yet, and how to take some of it back.
//
// A journaling file system makes the changes of a directory durable in their order, so each directory is left at one
// moment; a rename between two directories is made in both or in neither. Nothing but fsync of the directory itself
// makes its names durable: where a new directory was not synced into the one above, it vanishes with all that it holds.
// (ext4 does more: fsync of a file brings its name along. Nobody may rest on that.)

import { link, lstat, mkdir, rename, rm, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { CHANGE, type JournalEntry } from './journal.js'
import type { LossChoice } from './loss-style.js'

interface NameChange { readonly number: number, readonly entry: JournalEntry, readonly directories: readonly number[] }

export class NameChanges {
  private changes: NameChange[] = []
  /** All there ever were: later ones tell where the paths of earlier changes are now. */
  private directoryRenames: NameChange[] = []
  private readonly graves: string
  /** Inodes of directories that were brought back, by those that they had. */
  private readonly newInodes = new Map<number, number>()

  /** @param graves folder of files that have lost their names, by inode. */
  constructor (graves: string) { this.graves = graves }

  add (number: number, entry: JournalEntry): void {
    const isRename = entry.kind === CHANGE.rename
    const directories = isRename && entry.other !== entry.directory
      ? [entry.directory, entry.other]
      : [entry.directory]
    const change = { number, entry: { ...entry, data: Buffer.alloc(0) }, directories }
    this.changes.push(change)
    if (isRename && entry.isDirectory) this.directoryRenames.push(change)
  }

  /** What became of the names of a directory before `begin` is durable. */
  onSync (directory: number, begin: number): void {
    this.changes = this.changes.filter(change => change.number >= begin || !change.directories.includes(directory))
  }

  /** Inodes of files that may have to come back. */
  buried (): Set<number> {
    return new Set(this.changes.map(({ entry }) => entry.kind === CHANGE.rename ? entry.position : entry.inode))
  }

  numbers (): number[] { return this.changes.map(({ number }) => number) }

  clear (): void {
    this.changes = []
    this.directoryRenames = []
  }

  /** Takes changes back. @returns how many. */
  async undo (choice: LossChoice): Promise<number> {
    const lost = this.chooseLost(choice)
    this.newInodes.clear()
    for (const change of [...lost].toReversed()) await this.undoChange(change, lost)
    return lost.size
  }

  private chooseLost (choice: LossChoice): Set<NameChange> {
    const moments = new Map<number, number>()
    for (const directory of new Set(this.changes.flatMap(({ directories }) => directories))) {
      choice.beginFile()
      const own = this.changes.filter(({ directories }) => directories.includes(directory))
      moments.set(directory, choice.pick([0, ...own.map(({ number }) => number + 1)]))
    }
    const isLost = ({ number, directories }: NameChange): boolean =>
      directories.some(directory => moments.get(directory)! <= number)
    // What is lost in one directory takes along, in the other one, what came after it.
    for (let goesOn = true; goesOn;) {
      goesOn = false
      for (const change of this.changes) {
        if (!isLost(change)) continue
        for (const directory of change.directories) {
          if (moments.get(directory)! <= change.number) continue
          moments.set(directory, change.number)
          goesOn = true
        }
      }
    }
    return new Set(this.changes.filter(isLost))
  }

  /** In the reverse order of changes: the names are what they were behind this one, in its directories. */
  private async undoChange (change: NameChange, lost: ReadonlySet<NameChange>): Promise<void> {
    const { entry } = change
    const path = this.pathNow(entry.path, change, lost)
    switch (entry.kind) {
      case CHANGE.create:
        if (await inodeAt(path) === entry.inode) await unlink(path)
        break
      case CHANGE.makeDirectory:
        if (await this.isAt(path, entry.inode)) await rm(path, { recursive: true })
        break
      case CHANGE.remove:
        await this.bringBack(entry.inode, path)
        break
      case CHANGE.removeDirectory:
        await mkdir(path).catch(unlessCode('EEXIST', 'ENOENT'))
        this.newInodes.set(entry.inode, await inodeAt(path))
        break
      case CHANGE.rename: {
        const target = this.pathNow(entry.target, change, lost)
        // A kill may have come between the entry and the renaming.
        if (await this.isAt(target, entry.inode)) await rename(target, path)
        if (entry.position !== 0) await this.bringBack(entry.position, target)
      }
    }
  }

  /** True where `path` is what had this inode at the time of the change that is being taken back. */
  private async isAt (path: string, inode: number): Promise<boolean> {
    return await inodeAt(path) === (this.newInodes.get(inode) ?? inode)
  }

  private async bringBack (inode: number, path: string): Promise<void> {
    await link(join(this.graves, String(inode)), path).catch(unlessCode('EEXIST', 'ENOENT'))
  }

  /** Where a path is now: the directories above may have got other names since, for good. */
  private pathNow (path: string, { number }: NameChange, lost: ReadonlySet<NameChange>): string {
    for (const renamed of this.directoryRenames) {
      const { path: from, target } = renamed.entry
      if (renamed.number <= number || lost.has(renamed)) continue
      if (path.startsWith(`${from}/`)) path = target + path.slice(from.length)
    }
    return path
  }
}

async function inodeAt (path: string): Promise<number> {
  return await lstat(path).then(({ ino }) => ino, () => -1)
}

function unlessCode (...codes: readonly string[]): (error: NodeJS.ErrnoException) => void {
  return error => { if (!codes.includes(error.code!)) throw error }
}
