// Looks through an LMDB file before LMDB maps it into memory: LMDB trusts its file, and follows a wrong page number or
// a missing page into a crash of the whole process.
//
//   page 0      page 1      page 2 ...                                    last page
//   [meta, even][meta, odd ][branch | leaf | overflow | free ............]
//       |
//       newest transaction: last page number, root of the free list, root of the main tree
//                                                                       |
//                                                     one leaf node for each table: root of its tree
//
//   page    number 8 | pad 2 | flags 2 | lower 2, upper 2 (overflow: count 4) | node positions, 2 each | nodes
//   node    lo 2 | hi 2 | flags 2 | key size 2 | key | data    branch: lo, hi, flags: page number; leaf: lo, hi: size
//
// It walks every tree from its root: each page must be where its number says, of the kind expected, within the file,
// reached once; itsnodes within it, its keys in order; the free list must name no page that is in use. So what passes
// cannot lead LMDB out of the file or make it overwrite what is in use.
//
// Not covered: LMDB keeps no checksums, so a flipped bit inside a key or a value that breaks none of the above is not
// seen; neither is a file changed by others while it is open.

import fs from 'node:fs'

const MAGIC = 0xBEEFC0DE
const DATA_VERSION = 1
const PAGE_HEADER_BYTES = 16
const NODE_HEADER_BYTES = 8
const META_BYTES = PAGE_HEADER_BYTES + 136
const NO_PAGE = -1
const KEY_BYTES_MAX = 511
const DEPTH_MAX = 32
/** Pages read between two looks at the event loop. */
const PAGES_PER_TURN = 2048

const PAGE = { branch: 0x01, leaf: 0x02, overflow: 0x04, meta: 0x08 } as const
const NODE = { bigData: 0x01, subDatabase: 0x02, duplicates: 0x04 } as const

const NOTHING = Buffer.alloc(0)

interface LeafNode { readonly flags: number, readonly data: Buffer }
interface Tree { depth: number, entries: number, root: number }
interface Meta { pageBytes: number, lastPage: number, transaction: bigint, free: Tree, main: Tree }

/** Throws an Error that says what is wrong. A missing or empty file is fine: LMDB makes a new one. */
export async function checkLmdbFile (path: string): Promise<void> {
  let descriptor: number
  try {
    descriptor = fs.openSync(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  try {
    const fileBytes = fs.fstatSync(descriptor).size
    if (fileBytes === 0) return
    const meta = readMeta(descriptor, fileBytes)
    await new TreeWalk(descriptor, fileBytes, meta).run()
  } finally {
    fs.closeSync(descriptor)
  }
}

function readMeta (descriptor: number, fileBytes: number): Meta {
  const first = parseMeta(readAt(descriptor, 0, META_BYTES), 0)
  const second = parseMeta(readAt(descriptor, first.pageBytes, META_BYTES), 1)
  if (first.pageBytes !== second.pageBytes) throw new Error('its two meta pages differ in page size')
  const newest = second.transaction > first.transaction ? second : first
  if (fileBytes < 2 * newest.pageBytes) throw new Error('it is cut off within its meta pages')
  return newest
}

function parseMeta (page: Buffer, number: number): Meta {
  const body = page.subarray(PAGE_HEADER_BYTES)
  if ((page.readUInt16LE(10) & PAGE.meta) === 0 || body.readUInt32LE(0) !== MAGIC) {
    throw new Error(`page ${number} is no meta page of LMDB`)
  }
  const version = body.readUInt32LE(4)
  if (version !== DATA_VERSION) throw new Error(`it has the data format ${version}, not ${DATA_VERSION}`)
  const pageBytes = body.readUInt32LE(24)
  if (pageBytes < 256 || pageBytes > 32768 || (pageBytes & (pageBytes - 1)) !== 0) {
    throw new Error(`meta page ${number} claims pages of ${pageBytes} bytes`)
  }
  return {
    pageBytes,
    free: parseTree(body.subarray(24, 72)),
    main: parseTree(body.subarray(72, 120)),
    lastPage: pageNumber(body, 120),
    transaction: body.readBigUInt64LE(128),
  }
}

function parseTree (record: Buffer): Tree {
  return { depth: record.readUInt16LE(6), entries: pageNumber(record, 32), root: pageNumber(record, 40) }
}

/** A 64-bit number; NO_PAGE for the one with all bits set. Beyond 2^53 it is as wrong as anything beyond the file. */
function pageNumber (bytes: Buffer, position: number): number {
  const high = bytes.readUInt32LE(position + 4)
  const low = bytes.readUInt32LE(position)
  return high === 0xFFFFFFFF && low === 0xFFFFFFFF ? NO_PAGE : high * 2 ** 32 + low
}

function readAt (descriptor: number, position: number, size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size)
  if (fs.readSync(descriptor, bytes, 0, size, position) < size) throw new Error(`it ends before byte ${position + size}`)
  return bytes
}

function refuseSubDatabase (node: LeafNode): void {
  if ((node.flags & NODE.subDatabase) !== 0) throw new Error('a table has a table within')
}

/** Keys of the free list are transaction numbers, the others are compared byte by byte. */
function compareKeys (left: Buffer, right: Buffer, isFreeList: boolean): number {
  if (!isFreeList) return Buffer.compare(left, right)
  if (left.length !== 8 || right.length !== 8) throw new Error('its free list has a key of the wrong size')
  return pageNumber(left, 0) - pageNumber(right, 0)
}

/** A free list's value: a count, and so many page numbers. */
function readFreePages (value: Buffer, pages: number[]): void {
  if (value.length < 8 || value.length % 8 !== 0) throw new Error('its free list has a value of the wrong size')
  const count = pageNumber(value, 0)
  if (count < 0 || count * 8 + 8 > value.length) throw new Error('its free list has a wrong count')
  for (let i = 1; i <= count; i++) pages.push(pageNumber(value, 8 * i))
}

class TreeWalk {
  private readonly descriptor: number
  private readonly meta: Meta
  private readonly filePageCount: number
  /** One bit for each page: reached already. */
  private readonly reached: Uint8Array
  private pagesRead = 0

  constructor (descriptor: number, fileBytes: number, meta: Meta) {
    this.descriptor = descriptor
    this.meta = meta
    this.filePageCount = Math.floor(fileBytes / meta.pageBytes)
    // Free pages at the end may never have been written, so the file may be shorter; but a number far beyond it is not
    // one: every page but those of the last transactions was written.
    if (meta.lastPage < 1 || meta.lastPage > 2 ** 40) throw new Error(`it claims ${meta.lastPage} pages`)
    this.reached = new Uint8Array(Math.ceil((Math.min(meta.lastPage, this.filePageCount) + 1) / 8))
    this.claim(0, 1)
    this.claim(1, 1)
  }

  async run (): Promise<void> {
    const { main, free } = this.meta
    const tables: Tree[] = []
    await this.walk(main, 'the main tree', (node) => {
      if ((node.flags & NODE.subDatabase) === 0) return
      if (node.data.length !== 48) throw new Error('a table has a record of the wrong size')
      tables.push(parseTree(node.data))
    })
    for (const table of tables) await this.walk(table, 'a table', refuseSubDatabase)
    const freePages: number[] = []
    await this.walk(free, 'the free list', (node) => { readFreePages(node.data, freePages) })
    for (const page of freePages) {
      if (page < 2 || page > this.meta.lastPage) throw new Error(`its free list names page ${page}`)
      if (page < this.filePageCount) this.claim(page, 1)
    }
  }

  private async walk (tree: Tree, name: string, onLeaf: (node: LeafNode) => void): Promise<void> {
    if (tree.root === NO_PAGE) {
      if (tree.entries !== 0) throw new Error(`${name} has entries and no root`)
      return
    }
    if (tree.depth < 1 || tree.depth > DEPTH_MAX) throw new Error(`${name} claims a depth of ${tree.depth}`)
    const isFreeList = tree === this.meta.free
    let entries = 0
    const pending: Array<{ page: number, level: number }> = [{ page: tree.root, level: 1 }]
    while (pending.length > 0) {
      const { page: number, level } = pending.pop()!
      if (++this.pagesRead % PAGES_PER_TURN === 0) await new Promise(resolve => setImmediate(resolve))
      this.claim(number, 1)
      const page = readAt(this.descriptor, number * this.meta.pageBytes, this.meta.pageBytes)
      if (pageNumber(page, 0) !== number) throw new Error(`page ${number} calls itself ${pageNumber(page, 0)}`)
      const isLeaf = level === tree.depth
      const flags = page.readUInt16LE(10)
      if (flags !== (isLeaf ? PAGE.leaf : PAGE.branch)) throw new Error(`page ${number} of ${name} has flags ${flags}`)
      entries += this.nodes(page, number, isLeaf, isFreeList, (child) => {
        pending.push({ page: child, level: level + 1 })
      }, onLeaf)
    }
    if (entries !== tree.entries) throw new Error(`${name} has ${entries} entries and claims ${tree.entries}`)
  }

  /** Goes through thenodes of a page; answers how many a leaf has. */
  private nodes (
    page: Buffer, number: number, isLeaf: boolean, isFreeList: boolean,
    onChild: (page: number) => void, onLeaf: (node: LeafNode) => void
  ): number {
    const lower = page.readUInt16LE(12)
    const upper = page.readUInt16LE(14)
    if (lower < PAGE_HEADER_BYTES || lower % 2 !== 0 || lower > upper || upper > page.length) {
      throw new Error(`page ${number} has its bounds wrong`)
    }
    const count = (lower - PAGE_HEADER_BYTES) / 2
    if (count < (isLeaf ? 1 : 2)) throw new Error(`page ${number} has ${count}nodes`)
    let previous: Buffer | null = null
    for (let i = 0; i < count; i++) {
      const start = page.readUInt16LE(PAGE_HEADER_BYTES + 2 * i)
      if (start < upper || start + NODE_HEADER_BYTES > page.length) throw new Error(`page ${number} has a node outside`)
      const low = page.readUInt16LE(start) + page.readUInt16LE(start + 2) * 65536
      const flags = page.readUInt16LE(start + 4)
      const keyEnd = start + NODE_HEADER_BYTES + page.readUInt16LE(start + 6)
      if (keyEnd > page.length) throw new Error(`page ${number} has a key beyond its end`)
      const key = page.subarray(start + NODE_HEADER_BYTES, keyEnd)
      if (key.length > KEY_BYTES_MAX || (isLeaf && key.length === 0)) {
        throw new Error(`page ${number} has a key of ${key.length} bytes`)
      }
      // The first key of a branch page stands for all below and is not looked at.
      if (isLeaf || i > 0) {
        if (previous !== null && compareKeys(previous, key, isFreeList) >= 0) {
          throw new Error(`page ${number} has its keys out of order`)
        }
        previous = key
      }
      if (isLeaf) onLeaf({ flags, data: this.leafData(page, number, keyEnd, low, flags, isFreeList) })
      else onChild(low + flags * 2 ** 32)
    }
    return isLeaf ? count : 0
  }

  /** The value of a node; of values with pages of their own only the free list's are read. */
  private leafData (
    page: Buffer, number: number, position: number, size: number, flags: number, isFreeList: boolean
  ): Buffer {
    if ((flags & ~(NODE.bigData | NODE.subDatabase)) !== 0) throw new Error(`page ${number} has a node of flags ${flags}`)
    if ((flags & NODE.bigData) === 0) {
      if (position + size > page.length) throw new Error(`page ${number} has a value beyond its end`)
      return page.subarray(position, position + size)
    }
    if (position + 8 > page.length) throw new Error(`page ${number} has a value beyond its end`)
    const first = pageNumber(page, position)
    const { pageBytes } = this.meta
    const count = Math.ceil((size + PAGE_HEADER_BYTES) / pageBytes)
    this.claim(first, count)
    const header = readAt(this.descriptor, first * pageBytes, PAGE_HEADER_BYTES)
    if (pageNumber(header, 0) !== first || header.readUInt16LE(10) !== PAGE.overflow ||
      header.readUInt32LE(12) !== count) {
      throw new Error(`page ${first} is not the long value it should be`)
    }
    return isFreeList ? readAt(this.descriptor, first * pageBytes + PAGE_HEADER_BYTES, size) : NOTHING
  }

  /** Notes that pages `first` to `first + count` (exclusive) are in use, each for the first time. */
  private claim (first: number, count: number): void {
    if (first < 0 || first + count - 1 > this.meta.lastPage || first + count > this.filePageCount) {
      throw new Error(`it refers to page ${first + count - 1} and has ${this.filePageCount}`)
    }
    for (let page = first; page < first + count; page++) {
      const bit = 1 << (page & 7)
      if ((this.reached[page >>> 3]! & bit) !== 0) throw new Error(`page ${page} is used twice`)
      this.reached[page >>> 3]! |= bit
    }
  }
}
