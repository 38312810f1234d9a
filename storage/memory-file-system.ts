// A file system in memory: a tree of directories and files, and a journal of the changes to names.
//
//   names    what `open` and `list` see, and what kill -9 leaves
//   durable  what a power cut is sure to leave: the names whose directory was synced after the change
//   journal  the changes between them, in order. Each is atomic: a rename is there or not, never half of it.
//
// Everything here happens at once and throws DiskErrors; scheduling, faults and handles are MemoryDisk's.
// It is as pessimistic as POSIX allows: syncing a file does not make its name durable, as it does on some systems.

import { DiskError } from './disk.js'
import { MemoryFile, type Survival } from './memory-file.js'

export class MemoryDirectory {
  readonly isDirectory = true
  readonly names = new Map<string, MemoryNode>()
  readonly durable = new Map<string, MemoryNode>()
}

export type MemoryNode = MemoryFile | MemoryDirectory

interface Place { readonly directory: MemoryDirectory, readonly name: string }

/** `node` left the place `from` and came to `to`: a creation has no `from`, a deletion no `to`. */
interface NameChange {
  readonly sequence: number
  readonly node: MemoryNode
  readonly from: Place | null
  readonly to: Place | null
}

/** Which changes of names a power cut leaves; see PowerCutOptions. */
export type NameSurvival = 'none' | 'all' | 'prefix' | 'subset'

export class MemoryFileSystem {
  /** Bytes that fit; files count with their size. */
  capacityBytes = Infinity
  private root = new MemoryDirectory()
  private journal: NameChange[] = []
  private sequence = 0
  private takenBytes = 0

  /** The number the next change will get: a sync that starts now covers those below it. */
  get nextSequence (): number {
    return this.sequence
  }

  get usedBytes (): number {
    return this.takenBytes
  }

  find (path: string): MemoryNode | null {
    const names = namesOf(path)
    return this.follow(names, names.length)
  }

  /** The node that the first `count` of `names` lead to. */
  private follow (names: readonly string[], count: number): MemoryNode | null {
    let node: MemoryNode = this.root
    for (let index = 0; index < count; index++) {
      if (!node.isDirectory) return null
      const next: MemoryNode | undefined = node.names.get(names[index]!)
      if (next === undefined) return null
      node = next
    }
    return node
  }

  findFile (path: string, operation: string): MemoryFile {
    const node = this.find(path)
    if (node === null) throw new DiskError('ENOENT', operation, path)
    if (node.isDirectory) throw new DiskError('EISDIR', operation, path)
    return node
  }

  createFile (path: string, nowMs: number): MemoryFile {
    const to = this.placeOf(path, 'open')
    const file = new MemoryFile(nowMs)
    this.change(file, null, to)
    return file
  }

  makeDirectory (path: string): void {
    let directory = this.root
    for (const name of namesOf(path)) {
      let next = directory.names.get(name)
      if (next === undefined) this.change(next = new MemoryDirectory(), null, { directory, name })
      if (!next.isDirectory) throw new DiskError('EEXIST', 'makeDirectory', path)
      directory = next
    }
  }

  rename (fromPath: string, toPath: string): void {
    const from = this.placeOf(fromPath, 'rename')
    const to = this.placeOf(toPath, 'rename')
    const node = from.directory.names.get(from.name)
    if (node === undefined) throw new DiskError('ENOENT', 'rename', fromPath)
    const replaced = to.directory.names.get(to.name)
    if (replaced === node) return
    if (node.isDirectory && `${toPath}/`.startsWith(`${fromPath}/`)) throw new DiskError('EINVAL', 'rename', fromPath)
    if (replaced !== undefined) {
      if (replaced.isDirectory && !node.isDirectory) throw new DiskError('EISDIR', 'rename', fromPath)
      if (!replaced.isDirectory && node.isDirectory) throw new DiskError('ENOTDIR', 'rename', fromPath)
      if (replaced.isDirectory && replaced.names.size > 0) throw new DiskError('ENOTEMPTY', 'rename', fromPath)
    }
    this.change(node, from, to)
    if (replaced !== undefined) this.unlinked(replaced)
  }

  /** Deletes a file, or an empty directory where `directory` is set. */
  remove (path: string, directory = false): void {
    const node = this.find(path)
    if (node === null) return
    if (node.isDirectory !== directory) throw new DiskError(directory ? 'ENOTDIR' : 'EISDIR', 'remove', path)
    if (node.isDirectory && node.names.size > 0) throw new DiskError('ENOTEMPTY', 'remove', path)
    this.change(node, this.placeOf(path, 'remove'), null)
    this.unlinked(node)
  }

  /** Makes the changes of names in a directory durable that are below `sequenceEnd`. */
  syncDirectory (path: string, sequenceEnd: number): void {
    const directory = this.find(path)
    if (directory === null) throw new DiskError('ENOENT', 'syncDirectory', path)
    if (!directory.isDirectory) throw new DiskError('ENOTDIR', 'syncDirectory', path)
    // What happened to one node stays in order: with a rename into this directory goes the creation elsewhere.
    const nodes = new Set<MemoryNode>()
    for (const { sequence, node, from, to } of this.journal) {
      if (sequence < sequenceEnd && (from?.directory === directory || to?.directory === directory)) nodes.add(node)
    }
    this.journal = this.journal.filter((change) => {
      if (change.sequence >= sequenceEnd || !nodes.has(change.node)) return true
      applyDurable(change)
      return false
    })
  }

  writeFile (file: MemoryFile, bytes: Buffer, position: number, path: string): void {
    const growth = Math.max(0, position + bytes.length - file.size)
    const free = this.capacityBytes - this.takenBytes
    let fitting = bytes
    if (growth > free) fitting = bytes.subarray(0, Math.max(0, bytes.length - (growth - Math.max(0, free))))
    const sizeBefore = file.size
    file.write(fitting, position, this.sequence++)
    this.takenBytes += file.size - sizeBefore
    if (fitting.length < bytes.length) throw new DiskError('ENOSPC', 'write', path)
  }

  /** Lengthening takes its space at once; a real file system may give it out only as it is written. */
  resizeFile (file: MemoryFile, size: number, path: string): void {
    if (size > file.size && size - file.size > this.capacityBytes - this.takenBytes) {
      throw new DiskError('ENOSPC', 'truncate', path)
    }
    this.takenBytes += size - file.size
    file.resize(size, this.sequence++)
  }

  closeFile (file: MemoryFile): void {
    file.openCount--
    if (!file.linked && file.openCount === 0) this.takenBytes -= file.size
  }

  /** Ends every handle; unlinked files are gone. */
  closeAll (): void {
    this.takenBytes = 0
    for (const [, file] of this.files()) {
      file.openCount = 0
      this.takenBytes += file.size
    }
  }

  /** Loses what was not synced, but for what `names` and `survivalOf` leave. */
  powerCut (names: NameSurvival, survivalOf: (path: string, file: MemoryFile) => Survival, random: () => number): void {
    const lost = new Set<MemoryNode>()
    let keptCount = names === 'all' ? Infinity : 0
    if (names === 'prefix') keptCount = Math.floor(random() * (this.journal.length + 1))
    this.journal.forEach((change, index) => {
      const keep = names === 'subset' ? !lost.has(change.node) && random() < 0.5 : index < keptCount
      if (keep) applyDurable(change)
      else lost.add(change.node)
    })
    this.journal = []
    takeDurableNames(this.root)
    for (const [path, file] of this.files()) file.powerCut(survivalOf(path, file), random)
    this.closeAll()
  }

  /** Files with their paths, by name. */
  * files (directory = this.root, path = ''): Generator<[path: string, file: MemoryFile]> {
    for (const name of [...directory.names.keys()].sort()) {
      const node = directory.names.get(name)!
      if (node.isDirectory) yield * this.files(node, `${path}/${name}`)
      else yield [`${path}/${name}`, node]
    }
  }

  /** A copy of everything but the handles. */
  clone (): MemoryFileSystem {
    const copies = new Map<MemoryNode, MemoryNode>()
    const copyOf = (node: MemoryNode): MemoryNode => {
      let copy = copies.get(node)
      if (copy !== undefined) return copy
      copy = node.isDirectory ? new MemoryDirectory() : node.clone()
      copies.set(node, copy)
      if (node.isDirectory) {
        for (const [name, child] of node.names) (copy as MemoryDirectory).names.set(name, copyOf(child))
        for (const [name, child] of node.durable) (copy as MemoryDirectory).durable.set(name, copyOf(child))
      }
      return copy
    }
    const placeOf = (place: Place | null): Place | null =>
      place && { directory: copyOf(place.directory) as MemoryDirectory, name: place.name }
    const clone = new MemoryFileSystem()
    clone.capacityBytes = this.capacityBytes
    clone.root = copyOf(this.root) as MemoryDirectory
    clone.journal = this.journal.map(({ sequence, node, from, to }) => ({
      sequence, node: copyOf(node), from: placeOf(from), to: placeOf(to),
    }))
    clone.sequence = this.sequence
    clone.closeAll()
    return clone
  }

  private placeOf (path: string, operation: string): Place {
    const names = namesOf(path)
    const name = names[names.length - 1]
    if (name === undefined) throw new DiskError('EBUSY', operation, path)
    const directory = this.follow(names, names.length - 1)
    if (directory === null) throw new DiskError('ENOENT', operation, path)
    if (!directory.isDirectory) throw new DiskError('ENOTDIR', operation, path)
    return { directory, name }
  }

  private change (node: MemoryNode, from: Place | null, to: Place | null): void {
    from?.directory.names.delete(from.name)
    to?.directory.names.set(to.name, node)
    this.journal.push({ sequence: this.sequence++, node, from, to })
  }

  private unlinked (node: MemoryNode): void {
    if (node.isDirectory) return
    node.linked = false
    if (node.openCount === 0) this.takenBytes -= node.size
  }
}

/** Paths that were taken apart before: the same few come again and again. */
const knownNames = new Map<string, readonly string[]>()
const KNOWN_NAMES_MAX = 1_000

function namesOf (path: string): readonly string[] {
  const known = knownNames.get(path)
  if (known !== undefined) return known
  if (!path.startsWith('/')) throw new Error(`The path is not absolute: ${path}`)
  const names = path.split('/').filter(name => name !== '')
  if (knownNames.size >= KNOWN_NAMES_MAX) knownNames.clear()
  knownNames.set(path, names)
  return names
}

function applyDurable ({ node, from, to }: NameChange): void {
  // The place may have been taken by another node meanwhile, whose own change is durable already.
  if (from !== null && from.directory.durable.get(from.name) === node) from.directory.durable.delete(from.name)
  to?.directory.durable.set(to.name, node)
}

function takeDurableNames (directory: MemoryDirectory): void {
  directory.names.clear()
  for (const [name, node] of directory.durable) {
    directory.names.set(name, node)
    if (node.isDirectory) takeDurableNames(node)
    else node.linked = true
  }
}
