// Random lives of a dedup window: records with ids are sent and sent again, settle, time passes, and the broker
// crashes, with the records in the log kept. An id that is taken must never be given to a second record.

import assert from 'node:assert'
import fc from 'fast-check'
import { DedupWindow } from './dedup-window.js'
import { MemoryDedupStore } from './memory-dedup-store.js'
import type { DedupId } from './queue-types.js'

export interface DedupStep { readonly kind: string, readonly a: number }

export function dedupStepsOf (maxLength: number): fc.Arbitrary<DedupStep[]> {
  const kind = fc.constantFrom('send', 'send', 'send', 'send', 'settle', 'pass', 'checkpoint', 'crash')
  return fc.array(fc.record({ kind, a: fc.nat(200) }), { maxLength, size: 'max' })
}

const WINDOW_MS = 1_000

interface Sent { readonly id: number, readonly sentMs: number, isSettled: boolean }

export class DedupLife {
  private readonly untilSettled: boolean
  private readonly forgets: boolean
  private readonly log: Sent[] = []
  private nowMs = 0
  private store = new MemoryDedupStore()
  private window: DedupWindow
  private checkpoint: { snapshot: Uint8Array, entries: [DedupId, number, number][] } | null = null

  constructor (options: { untilSettled: boolean, forgets: boolean }) {
    this.untilSettled = options.untilSettled
    this.forgets = options.forgets
    this.window = this.newWindow()
  }

  run ({ kind, a }: DedupStep): void {
    if (kind === 'send') this.send(a % 12)
    else if (kind === 'settle' && this.log.length > 0) this.log[a % this.log.length]!.isSettled = true
    else if (kind === 'pass') this.pass(a * 10)
    else if (kind === 'checkpoint') this.checkpoint = { snapshot: this.window.snapshot(), entries: this.store.entries() }
    else if (kind === 'crash') this.crash()
    assert(this.window.size <= 4, 'bounded in memory')
  }

  private send (id: number): void {
    const words = wordsOf(id)
    const taken = this.window.find(words, this.nowMs)
    if (taken >= 0) {
      assert.equal(this.log[taken]!.id, id, 'a duplicate is answered with its own original')
      return
    }
    const original = this.log.find(sent => sent.id === id && this.isTaken(sent))
    assert(original === undefined, `id ${id} is taken, and given to a second record`)
    this.log.push({ id, sentMs: this.nowMs, isSettled: false })
    this.window.onAppended(words, this.log.length - 1, this.nowMs)
  }

  private pass (durationMs: number): void {
    this.nowMs += durationMs
    const first = this.log.findIndex(sent => !sent.isSettled)
    this.window.tick(this.nowMs, first < 0 ? this.log.length : first)
  }

  private crash (): void {
    this.store = new MemoryDedupStore()
    for (const [id, offset, expiresMs] of this.checkpoint?.entries ?? []) this.store.put(id, offset, expiresMs)
    this.window = this.newWindow()
    if (this.checkpoint !== null) this.window.restore(this.checkpoint.snapshot)
    if (this.forgets) return
    for (let offset = this.window.appendedEnd; offset < this.log.length; offset++) {
      this.window.onAppended(wordsOf(this.log[offset]!.id), offset, this.nowMs)
    }
  }

  private isTaken (sent: Sent): boolean {
    return this.untilSettled ? !sent.isSettled : sent.sentMs + WINDOW_MS > this.nowMs
  }

  private newWindow (): DedupWindow {
    return new DedupWindow({
      windowMs: WINDOW_MS,
      untilSettled: this.untilSettled,
      idsInMemory: 4,
      store: this.store,
      isSettled: offset => this.log[offset]!.isSettled,
    })
  }
}

/** Ids that share their first words, so that look-ups meet. */
export function wordsOf (id: number): DedupId { return [id % 3, id % 2, 0xffffffff, id] }
