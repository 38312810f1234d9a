// Settles leases over the wire: what is said in one turn goes in one request, handles in a row as a range.

import { ERROR, errorRow, type MessageOf, type SettleAnswer as ToldAnswer, type SettleKind } from '@sluice/protocol'
import { WireError, type WirePeer } from '../wire-peer.js'
import type { SettleAnswer } from './journal.js'

/** A handle, and where it counts. */
export interface WireHandle {
  readonly topicId: string
  readonly partition: number
  readonly offset: number
  readonly epoch: number
  readonly sequence: number
}

/** `busy`: nothing was changed, and it is to be said again. */
export type WireAnswer = SettleAnswer | 'busy'

interface Asked extends WireHandle {
  readonly kind: SettleKind
  readonly delayMs: number
  readonly resolve: (answer: WireAnswer) => void
}

type SettleRequest = MessageOf<'settle', 'request'>
type Item = SettleRequest['partitions'][number]['items'][number]

const TIMEOUT_MS = 10_000

const ANSWERS: Readonly<Record<ToldAnswer, WireAnswer>> = {
  ok: 'ok',
  lateOk: 'late',
  alreadySettled: 'already-settled',
  staleLease: 'refused',
  unknown: 'refused',
  outOfOrder: 'refused',
  busy: 'busy',
}

export class WireSettler {
  private readonly peer: WirePeer
  private asked: Asked[] = []

  constructor (peer: WirePeer) {
    this.peer = peer
  }

  /** Never rejects: where the connection ends first nobody knows. */
  settle (handle: WireHandle, kind: SettleKind, delayMs: number): Promise<WireAnswer> {
    return new Promise(resolve => {
      this.asked.push({ ...handle, kind, delayMs, resolve })
      if (this.asked.length === 1) setImmediate(() => { this.flush() })
    })
  }

  private flush (): void {
    const all = this.asked
    this.asked = []
    const groups = new Map<string, Asked[]>()
    for (const one of all) {
      const name = `${one.topicId}/${one.partition}`
      groups.set(name, [...groups.get(name) ?? [], one])
    }
    const asked = [...groups.values()]
    const partitions = asked.map(mine => ({
      topicId: mine[0]!.topicId, partition: mine[0]!.partition, group: '', items: itemsOf(mine),
    }))
    this.peer.request('settle', { acks: 'quorum', timeoutMs: TIMEOUT_MS, partitions }).then(
      ({ message }) => message.results.forEach((result, index) => {
        const mine = asked[index]!
        const answers = result.answers.flatMap(({ count, answer }) =>
          new Array<WireAnswer>(count).fill(ANSWERS[answer]))
        mine.forEach(({ resolve }, at) => resolve(result.error === 0 ? answers[at]! : failureOf(result.error)))
      }),
      (error: unknown) => {
        for (const { resolve } of all) resolve(error instanceof WireError ? failureOf(error.code) : 'unknown')
      })
  }
}

/** Whether something may have changed all the same. */
function failureOf (code: number): WireAnswer {
  const mayBeDone: readonly number[] =
    [ERROR.REQUEST_TIMED_OUT, ERROR.OUTCOME_UNKNOWN, ERROR.STORAGE_UNAVAILABLE, ERROR.STORAGE_FAILED]
  if (mayBeDone.includes(code)) return 'unknown'
  if (!errorRow(code).retriable) throw new Error(`a settle was answered with error ${code}`)
  return 'busy'
}

function itemsOf (asked: readonly Asked[]): Item[] {
  const items: Item[] = []
  for (const { kind, offset, epoch, sequence, delayMs } of asked) {
    const last = items.at(-1)
    const follows = last?.kind === kind && last.delayMs === delayMs && last.leaseEpoch === epoch &&
      last.offset + last.count === offset && last.leaseSequence + last.count === sequence
    if (follows) last.count++
    else items.push({ kind, offset, count: 1, leaseEpoch: epoch, leaseSequence: sequence, delayMs, reason: '' })
  }
  return items
}
