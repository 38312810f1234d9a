// Notes in the control store that epochs have begun. After a failover a thousand begin within moments: those of a
// moment share transactions, as their failover did.
//
//   note ─▶ waiting ── end of turn, one round at a time ──▶ swap by what is known ─▶ made
//                                                              └▶ refused: known too late; read, and told what there is

import type { ControlStore } from '../control/control-store.js'
import type { Mirror } from '../control/mirror.js'
import { activate, type PartitionRecord } from '../replica/partition-record.js'
import { endOfTurn, type EndOfTurn } from '../runtime/turn.js'
import { PARTITION_PREFIX } from './cluster-metadata.js'
import { commitSwaps, type KeySwap } from './record-commits.js'

/** An epoch that has begun, and who waits to hear what the record says then. */
interface Begun {
  readonly epoch: number
  readonly cutOffset: number | null
  readonly promise: Promise<PartitionRecord | null>
  resolve (record: PartitionRecord | null): void
  reject (cause: Error): void
}

export class Activations {
  private readonly control: ControlStore
  private readonly records: Mirror<PartitionRecord>
  private readonly makeNonce: () => string
  private readonly endOfTurn: EndOfTurn
  /** By `topicId/partition`. */
  private waiting = new Map<string, Begun>()
  private running = false

  constructor (
    control: ControlStore, records: Mirror<PartitionRecord>, makeNonce: () => string, atEnd: EndOfTurn = endOfTurn,
  ) {
    this.control = control
    this.records = records
    this.makeNonce = makeNonce
    this.endOfTurn = atEnd
  }

  /**
   * @returns what the record says after it: active, or another epoch; null where there is none. Rejects where the
   *   control store does not answer, and then it may have been noted all the same.
   */
  note (
    topicId: string, partition: number, epoch: number, cutOffset: number | null = null,
  ): Promise<PartitionRecord | null> {
    const name = `${topicId}/${partition}`
    const known = this.waiting.get(name)
    if (known?.epoch === epoch) return known.promise
    known?.resolve(this.records.get(name))
    let begun!: Begun
    const promise = new Promise<PartitionRecord | null>((resolve, reject) => {
      begun = { epoch, cutOffset, get promise () { return promise }, resolve, reject }
    })
    this.waiting.set(name, begun)
    if (!this.running) {
      this.running = true
      this.endOfTurn(() => { void this.run() })
    }
    return promise
  }

  private async run (): Promise<void> {
    while (this.waiting.size > 0) {
      const round = this.waiting
      this.waiting = new Map()
      await this.commit(round).catch((cause: Error) => {
        for (const { reject } of round.values()) reject(cause)
      })
    }
    this.running = false
  }

  private async commit (round: ReadonlyMap<string, Begun>): Promise<void> {
    const { control, records } = this
    const swaps: KeySwap[] = []
    for (const [name, { epoch, cutOffset }] of round) {
      const known = records.get(name)
      const record = known === null ? null : activate(known, epoch, this.makeNonce(), cutOffset)
      if (record === null) continue
      swaps.push({ change: { key: PARTITION_PREFIX + name, value: record }, revision: records.revisionOf(name) })
    }
    const refused = new Set(swaps)
    await commitSwaps(control, swaps, [], (swap, revision) => {
      refused.delete(swap)
      records.apply({ ...swap.change, revision })
    })
    for (const { change: { key } } of refused) {
      const entry = await control.get(key)
      if (entry !== null) records.apply(entry)
    }
    for (const [name, { resolve }] of round) resolve(records.get(name))
  }
}
