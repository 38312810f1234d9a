// What replicas say to each other, as the body and payload of `replicate` frames.
//
//   letters ─▶ one list per kind in the body, batches behind it: first those of `pulled`, then those of `fetched`
//
// Batches are never copied: on the way out they are views of the tail of the log, on the way in views of the frame,
// valid while it is being worked on.

import type {
  LogClaim as ClaimItem, ReplicaPart as PartItem, ReplicaPromise as PromiseItem, ReplicateRequest,
} from '@sluice/protocol'
import type { FetchedPart, LogClaim, ReplicaMessage } from '../replica/replica-message.js'

/** A message of one partition's replica to another's. */
export interface ReplicaLetter {
  readonly topicId: string
  readonly partition: number
  readonly message: ReplicaMessage
}

/** A frame to be sent. */
export interface ReplicaFrame {
  readonly body: ReplicateRequest
  readonly payload: readonly Buffer[]
  readonly payloadBytes: number
}

/** Receives what a frame says. The buffers of a message are valid during the call only. */
export type LetterVisitor = (topicId: string, partition: number, message: ReplicaMessage) => void

/** Bytes of record batches that a message carries. */
export function payloadBytesOf (message: ReplicaMessage): number {
  if (message.kind === 'pulled') return message.buffers === null ? 0 : sizeOf(message.buffers)
  if (message.kind !== 'fetched') return 0
  let bytes = 0
  for (const part of message.parts) if (part.kind === 'records') bytes += sizeOf(part.buffers)
  return bytes
}

/** What is to be called when a message has left, or has been dropped: nobody looks at its batches any more. */
export function releasesOf (message: ReplicaMessage): (() => void)[] {
  if (message.kind === 'pulled') return message.release === undefined ? [] : [message.release]
  if (message.kind !== 'fetched') return []
  return message.parts.flatMap(part => part.kind === 'records' && part.release !== undefined ? [part.release] : [])
}

/** The frame for some letters, in any order. */
export function encodeLetters (letters: readonly ReplicaLetter[]): ReplicaFrame {
  const body: ReplicateRequest = {
    newEpochs: [], promises: [], fences: [], pulls: [], pulled: [], beginEpochs: [], fetches: [], fetched: [], acks: [],
  }
  const pulled: Buffer[] = []
  const fetched: Buffer[] = []
  for (const letter of letters) encodeLetter(body, letter, pulled, fetched)
  const payload = pulled.length === 0 ? fetched : [...pulled, ...fetched]
  return { body, payload, payloadBytes: sizeOf(payload) }
}

function encodeLetter (body: ReplicateRequest, letter: ReplicaLetter, pulled: Buffer[], fetched: Buffer[]): void {
  const { topicId, partition, message } = letter
  const { epoch } = message
  switch (message.kind) {
    case 'new-epoch': body.newEpochs.push({ topicId, partition, epoch, storeId: message.storeId }); return
    case 'begin-epoch': body.beginEpochs.push({ topicId, partition, epoch, storeId: message.storeId }); return
    case 'fenced': body.fences.push({ topicId, partition, epoch }); return
    case 'promise': {
      const { storeId, trusted, logs } = message
      body.promises.push({ topicId, partition, epoch, storeId, trusted, logs: logs.map(claimItem) })
      return
    }
    case 'pull': body.pulls.push({ topicId, partition, epoch, log: message.log, offset: message.offset }); return
    case 'pulled': {
      const { log, offset, buffers } = message
      body.pulled.push({ topicId, partition, epoch, log, offset, size: buffers === null ? -1 : sizeOf(buffers) })
      if (buffers !== null) pulled.push(...buffers)
      return
    }
    case 'fetch': {
      const { storeId, sequence, probe, positions } = message
      body.fetches.push({ topicId, partition, epoch, storeId, sequence, probe, positions: [...positions] })
      return
    }
    case 'fetched': {
      const { sequence, probe, parts } = message
      body.fetched.push({ topicId, partition, epoch, sequence, probe, parts: parts.map(partItem) })
      for (const part of parts) if (part.kind === 'records') fetched.push(...part.buffers)
      return
    }
    case 'durable-ack': {
      const { storeId, durableOffsets } = message
      body.acks.push({ topicId, partition, epoch, storeId, durableOffsets: [...durableOffsets] })
    }
  }
}

/**
 * Visits what a frame says.
 *
 * @param bytes the payload is [start, end) of it.
 * @returns what is wrong with the frame, for people; null where it was visited. Nothing is visited of a wrong one.
 */
export function visitLetters (
  body: ReplicateRequest, bytes: Buffer, start: number, end: number, visit: LetterVisitor,
): string | null {
  const fault = payloadFault(body, end - start)
  if (fault !== null) return fault
  for (const { topicId, partition, epoch, storeId } of body.newEpochs) {
    visit(topicId, partition, { kind: 'new-epoch', epoch, storeId })
  }
  for (const item of body.promises) visit(item.topicId, item.partition, promiseOf(item))
  for (const { topicId, partition, epoch } of body.fences) visit(topicId, partition, { kind: 'fenced', epoch })
  for (const { topicId, partition, epoch, log, offset } of body.pulls) {
    visit(topicId, partition, { kind: 'pull', epoch, log, offset })
  }
  let at = start
  for (const { topicId, partition, epoch, log, offset, size } of body.pulled) {
    const buffers = size < 0 ? null : size === 0 ? NO_BUFFERS : [bytes.subarray(at, at += size)]
    visit(topicId, partition, { kind: 'pulled', epoch, log, offset, buffers })
  }
  for (const { topicId, partition, epoch, storeId } of body.beginEpochs) {
    visit(topicId, partition, { kind: 'begin-epoch', epoch, storeId })
  }
  for (const { topicId, partition, epoch, storeId, durableOffsets } of body.acks) {
    visit(topicId, partition, { kind: 'durable-ack', epoch, storeId, durableOffsets })
  }
  for (const { topicId, partition, epoch, storeId, sequence, probe, positions } of body.fetches) {
    visit(topicId, partition, { kind: 'fetch', epoch, storeId, sequence, probe, positions })
  }
  for (const { topicId, partition, epoch, sequence, probe, parts: items } of body.fetched) {
    const parts: FetchedPart[] = []
    for (const item of items) {
      const { size } = item
      parts.push(partOf(item, size === 0 ? NO_BUFFERS : [bytes.subarray(at, at += size)]))
    }
    visit(topicId, partition, { kind: 'fetched', epoch, sequence, probe, parts })
  }
  return null
}

const NO_BUFFERS: readonly Buffer[] = []

function payloadFault (body: ReplicateRequest, payloadBytes: number): string | null {
  let bytes = 0
  for (const { size } of body.pulled) {
    if (size < -1) return `size of a pulled is ${size}; it must be the bytes of its batches, or -1`
    bytes += Math.max(0, size)
  }
  for (const { parts } of body.fetched) {
    for (const { kind, size } of parts) {
      if (size < 0 || (size > 0 && kind !== 'records')) return `size of a part of kind ${kind} is ${size}`
      bytes += size
    }
  }
  return bytes === payloadBytes ? null : `the sizes of the batches add up to ${bytes} bytes, the payload has ${payloadBytes}`
}

function claimItem ({ startOffset, endOffset, lastEpoch, lastCrc, epochs, damagedFrom, owed }: LogClaim): ClaimItem {
  return {
    startOffset,
    endOffset,
    lastEpoch,
    lastCrc,
    epochs: epochs.map(({ epoch, startOffset: from }) => ({ epoch, startOffset: from })),
    damagedFrom,
    owedEpoch: owed?.lastEpoch ?? -1,
    owedOffset: owed?.endOffset ?? -1,
  }
}

function promiseOf ({ epoch, storeId, trusted, logs }: PromiseItem): ReplicaMessage {
  return {
    kind: 'promise',
    epoch,
    storeId,
    trusted,
    logs: logs.map(({ owedEpoch, owedOffset, ...claim }): LogClaim =>
      ({ ...claim, owed: owedEpoch < 0 ? null : { lastEpoch: owedEpoch, endOffset: owedOffset } })),
  }
}

function partItem (part: FetchedPart): PartItem {
  const item: PartItem = {
    kind: part.kind,
    offset: part.offset,
    lastEpoch: part.lastEpoch,
    highWatermark: -1,
    startOffset: -1,
    endOffset: -1,
    epoch: -1,
    prevCrc: 0,
    size: 0,
  }
  switch (part.kind) {
    case 'records':
      item.highWatermark = part.highWatermark
      item.startOffset = part.startOffset
      item.endOffset = part.endOffset
      item.size = sizeOf(part.buffers)
      return item
    case 'diverge':
      item.epoch = part.epoch
      item.endOffset = part.endOffset
      return item
    case 'restart':
      item.startOffset = part.startOffset
      item.prevCrc = part.prevCrc
      return item
  }
}

function partOf (item: PartItem, buffers: readonly Buffer[]): FetchedPart {
  const { kind, offset, lastEpoch, highWatermark, startOffset, endOffset, epoch, prevCrc } = item
  switch (kind) {
    case 'records': return { kind, offset, lastEpoch, buffers, highWatermark, startOffset, endOffset }
    case 'diverge': return { kind, offset, lastEpoch, epoch, endOffset }
    case 'restart': return { kind, offset, lastEpoch, startOffset, prevCrc }
  }
}

function sizeOf (buffers: readonly Buffer[]): number {
  let bytes = 0
  for (const buffer of buffers) bytes += buffer.length
  return bytes
}
