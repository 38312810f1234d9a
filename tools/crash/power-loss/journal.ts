// The journal that layer.c writes, read back: what a process changed below a folder, and what it synced.
//
//   JOURNAL/journal.000000   [entry][entry][entry]…[torn entry?]   one process, from its first change to its end
//   JOURNAL/journal.000001   the next process
//   entry                    [header 64 bytes][path][target][data]
//
// The last entry of a file may be torn by the kill that ended its process: the change that it announces was not made.

import { readFile, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

const HEADER_BYTES = 64

/** Numbers as in layer.c. */
export const CHANGE = {
  write: 1, resize: 2, sync: 3, syncDirectory: 4, create: 5, makeDirectory: 6, remove: 7, removeDirectory: 8, rename: 9,
} as const

const FLAG_DURABLE = 1
const FLAG_MAPPED = 2
const FLAG_DIRECTORY = 4

/** An entry of the journal; what the fields mean for each kind is said in layer.c. */
export interface JournalEntry {
  readonly kind: number
  readonly inode: number
  readonly directory: number
  readonly position: number
  readonly length: number
  readonly other: number
  readonly path: string
  readonly target: string
  /** Bytes before the change, without the zeros at their end: a view into the journal. */
  readonly data: Buffer
  /** Durable when it is done. */
  readonly isDurable: boolean
  /** A mapping that is written to unseen: no sync of the file ends that. */
  readonly isMapped: boolean
  readonly isDirectory: boolean
}

/** Reads what the processes of a folder have left, oldest first, and removes it. */
export async function * takeJournals (folder: string): AsyncGenerator<JournalEntry[]> {
  const names = (await readdir(folder)).filter(name => name.startsWith('journal.')).sort()
  for (const name of names) {
    const path = join(folder, name)
    yield parseJournal(await readFile(path))
    await rm(path)
  }
}

function parseJournal (bytes: Buffer): JournalEntry[] {
  const entries: JournalEntry[] = []
  let position = 0
  while (position + HEADER_BYTES <= bytes.length) {
    const pathSize = bytes.readUInt32LE(position + 48)
    const targetSize = bytes.readUInt32LE(position + 52)
    const dataSize = numberAt(bytes, position + 56)
    const pathEnd = position + HEADER_BYTES + pathSize
    const targetEnd = pathEnd + targetSize
    const end = targetEnd + dataSize
    if (end > bytes.length) break
    const flags = bytes.readUInt32LE(position + 4)
    entries.push({
      kind: bytes.readUInt32LE(position),
      inode: numberAt(bytes, position + 8),
      directory: numberAt(bytes, position + 16),
      position: numberAt(bytes, position + 24),
      length: numberAt(bytes, position + 32),
      other: numberAt(bytes, position + 40),
      path: bytes.toString('utf8', pathEnd - pathSize, pathEnd),
      target: bytes.toString('utf8', pathEnd, targetEnd),
      data: bytes.subarray(targetEnd, end),
      isDurable: (flags & FLAG_DURABLE) !== 0,
      isMapped: (flags & FLAG_MAPPED) !== 0,
      isDirectory: (flags & FLAG_DIRECTORY) !== 0,
    })
    position = end
  }
  return entries
}

function numberAt (bytes: Buffer, position: number): number {
  return bytes.readUInt32LE(position) + bytes.readUInt32LE(position + 4) * 2 ** 32
}
