// What a crash or a disk can do to the files of a dead broker, done on purpose.
//
//   segment file   [header 4 KiB][batch][batch][batch]|[torn batch?][zeros or old bytes …]
//                                                     ^ end of the chain of sound batches

import { randomBytes } from 'node:crypto'
import { cp, open, readFile, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BATCH_HEADER_BYTES, checkBatch, nextOffsetOf, readBatchHeader } from '@sluice/protocol'
import type { SeededRandom } from './seeded-random.js'

const SEGMENT_HEADER_BYTES = 4096

/** A batch where it lies in its file. */
export interface BatchPlace {
  readonly path: string
  /** Byte position in the file. */
  readonly position: number
  readonly sizeBytes: number
  readonly baseOffset: number
  readonly endOffset: number
}

/** Segment files of a partition, in order of their offsets. */
export async function segmentFiles (
  data: string, topicId: string, partition: number, kind: 'data' | 'state' = 'data',
): Promise<string[]> {
  const folder = join(data, 'logs', topicId, String(partition), kind)
  const names = await readdir(folder).catch(() => [])
  return names.filter(name => name.endsWith('.log')).sort().map(name => join(folder, name))
}

/** The sound batches of a segment file, in order: up to where the chain ends. */
export async function batchesOf (path: string): Promise<BatchPlace[]> {
  const bytes = await readFile(path)
  const places: BatchPlace[] = []
  let position = SEGMENT_HEADER_BYTES
  let nextOffset = Number(path.slice(-24, -4))
  while (position + BATCH_HEADER_BYTES <= bytes.length && checkBatch(bytes, position) === null) {
    const header = readBatchHeader(bytes, position)
    if (header.baseOffset !== nextOffset) break
    nextOffset = nextOffsetOf(header)
    places.push({ path, position, sizeBytes: header.size, baseOffset: header.baseOffset, endOffset: nextOffset })
    position += header.size
  }
  return places
}

/** All sound batches of a partition. */
export async function batchesOfPartition (data: string, topicId: string, partition: number): Promise<BatchPlace[]> {
  const places: BatchPlace[] = []
  for (const path of await segmentFiles(data, topicId, partition)) places.push(...await batchesOf(path))
  return places
}

/** The kinds of damage behind the last record that anybody was told of. */
export const TAIL_DAMAGE = ['cut', 'garbage', 'stale', 'flip'] as const
export type TailDamage = typeof TAIL_DAMAGE[number]

/** What was done to the end of a log: something at or behind `promisedEnd`, and before `endOffset`, is damaged. */
export interface DamagedTail { readonly text: string, readonly endOffset: number }

/** Damages the newest segment of a partition behind everything below `promisedEnd`; null where it has no file. */
export async function damageTail (
  data: string, address: { topicId: string, partition: number }, promisedEnd: number, kind: TailDamage,
  random: SeededRandom,
): Promise<DamagedTail | null> {
  const path = (await segmentFiles(data, address.topicId, address.partition)).at(-1)
  if (path === undefined) return null
  const batches = await batchesOf(path)
  const kept = batches.filter(({ baseOffset }) => baseOffset < promisedEnd).at(-1)
  const base = Number(path.slice(-24, -4))
  // The newest segment may begin above what was promised; its header is then all that has to stay.
  const safePosition = kept === undefined ? SEGMENT_HEADER_BYTES : kept.position + kept.sizeBytes
  const { size } = await stat(path)
  if (size < safePosition) return null
  const end = Math.max(safePosition, (batches.at(-1)?.position ?? 0) + (batches.at(-1)?.sizeBytes ?? 0))
  const position = random.between(safePosition, end + 1)
  switch (kind) {
    case 'cut':
      await truncate(path, position)
      break
    case 'garbage':
      await overwrite(path, position, random.bytes(random.between(1, 9000)))
      break
    case 'stale': {
      // Sound batches of the same log, at a place where they do not belong.
      const old = batches.length > 0 ? random.pick(batches) : { position: 0, sizeBytes: SEGMENT_HEADER_BYTES }
      const bytes = (await readFile(path)).subarray(old.position, old.position + old.sizeBytes)
      await overwrite(path, end, bytes)
      break
    }
    case 'flip':
      if (end > safePosition) await flipBit(path, random.between(safePosition, end), random.between(0, 8))
      break
  }
  return { text: `${kind} at byte ${position} of ${address.partition}/${base}`, endOffset: batches.at(-1)?.endOffset ?? base }
}

/** Turns one bit of a file. */
export async function flipBit (path: string, position: number, bit: number): Promise<void> {
  const file = await open(path, 'r+')
  try {
    const byte = Buffer.alloc(1)
    await file.read(byte, 0, 1, position)
    byte[0] = byte[0]! ^ (1 << bit)
    await file.write(byte, 0, 1, position)
  } finally {
    await file.close()
  }
}

/** Writes bytes into a file, making it longer where they reach beyond its end. */
export async function overwrite (path: string, position: number, bytes: Buffer): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.write(bytes, 0, bytes.length, position)
  } finally {
    await file.close()
  }
}

/** What can become of the folder of the meta store between two starts. */
export const META_DAMAGE = ['deleted', 'garbage', 'truncated', 'older'] as const
export type MetaDamage = typeof META_DAMAGE[number]

/** Damages the meta store of a stopped broker. `olderCopy` is a copy made by `copyMeta` when it was stopped before. */
export async function damageMeta (data: string, kind: MetaDamage, olderCopy: string): Promise<void> {
  const folder = join(data, 'meta')
  switch (kind) {
    case 'deleted':
      return await rm(folder, { recursive: true, force: true })
    case 'garbage':
      for (const name of await readdir(folder)) await writeFile(join(folder, name), randomBytes(64 * 1024))
      return
    case 'truncated':
      for (const name of await readdir(folder)) await truncate(join(folder, name), 5000)
      return
    case 'older':
      await rm(folder, { recursive: true, force: true })
      await cp(olderCopy, folder, { recursive: true })
  }
}

/** Copies the meta store of a stopped broker. */
export async function copyMeta (data: string, target: string): Promise<void> {
  await rm(target, { recursive: true, force: true })
  await cp(join(data, 'meta'), target, { recursive: true })
}
