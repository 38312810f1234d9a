// Looks on from outside, after every event, and knows what nobody in the cluster can: everything. It draws no random
// numbers and changes nothing.
//
//   I1  one process leads an epoch                 I7  same log, offset and epoch: same bytes
//   I2  an offset is committed with one value      I8  a producer's batches once, in order
//   I3  acknowledged is committed, at that offset  I9  a promise never falls, nothing is said below it
//   I4  who opens holds all that was committed     I10 who leads was promised a majority of every earlier set
//   I5  what is read is what was committed         I11 the high watermark is on a majority, and only rises
//   I3' where the leader alone acknowledges: what is not committed in the end was lost with a leader
//   I6  nothing committed is cut off, and nothing else is removed
//
// I12 and I14 are looked at in the end, when all has come to rest: see audit.ts.

import { memberName, type PartitionRecord } from '@sluice/broker/simulation'
import { describeBatch, LogShadow, sameBatch, type ShadowBatch } from './log-shadow.js'
import { Violation } from './violation.js'

/** How far a store of a living process is; Infinity where it is gone, or has lost something and knows it. */
export type SafeOffsetOf = (store: string, partition: number, log: number) => number

/** What a leader has acknowledged before others had it. */
interface LeaderAck {
  readonly partition: number
  readonly log: number
  readonly baseOffset: number
  readonly crc: number
  readonly epoch: number
}

export class Checker {
  /** Acknowledged batches, checked against what is committed. */
  ackCount = 0
  /** The first that was found. */
  violation: Violation | null = null
  /** Called when a leader is the first to call a batch committed. */
  onCommitted: (partition: number, log: number, batch: ShadowBatch) => void = () => {}
  private readonly shadows = new Map<string, LogShadow>()
  private readonly committedLogs = new Map<string, LogShadow>()
  /** The epoch whose leader was the first to call a batch committed. */
  private readonly committedIn = new Map<ShadowBatch, number>()
  private readonly leaders = new Map<string, string>()
  private readonly contents = new Map<string, ShadowBatch>()
  private readonly promises = new Map<string, number>()
  /** Promises that went with the files, by leave: the store says nothing below them for all that. */
  private readonly forgotten = new Set<string>()
  private readonly leaderAcks: LeaderAck[] = []
  private readonly sequences = new Map<string, number>()
  private readonly safeOffsetOf: SafeOffsetOf
  /** False where a power cut may take what a member has acknowledged: then nobody can count who holds it. */
  private readonly countsHolders: boolean

  constructor (safeOffsetOf: SafeOffsetOf, countsHolders: boolean) {
    this.safeOffsetOf = safeOffsetOf
    this.countsHolders = countsHolders
  }

  shadow (store: string, partition: number, log: number): LogShadow {
    return shadowIn(this.shadows, `${store}:${partition}:${log}`)
  }

  committed (partition: number, log: number): LogShadow {
    return shadowIn(this.committedLogs, `${partition}:${log}`)
  }

  get committedCount (): number {
    let count = 0
    for (const shadow of this.committedLogs.values()) count += shadow.batches.length
    return count
  }

  /** A batch was appended in a store. */
  onAppend (store: string, partition: number, log: number, batch: ShadowBatch): void {
    const key = `${partition}:${log}:${batch.baseOffset}:${batch.epoch}`
    const known = this.contents.get(key)
    if (known === undefined) this.contents.set(key, batch)
    else if (!sameBatch(known, batch)) this.fail('I7', `${key}: ${describeBatch(known)} and ${describeBatch(batch)}`)
    this.shadow(store, partition, log).push(batch)
  }

  /** Everything below `offset` is removed. (R31: only what is committed ever is) */
  onStartOffset (store: string, partition: number, log: number, offset: number): void {
    const { endOffset } = this.committed(partition, log)
    if (offset > endOffset) {
      this.fail('I6', `${store} removes up to ${offset} of partition ${partition} log ${log}, which is committed up to ${endOffset}`)
    }
  }

  /** The files of a log are being deleted, and with them what was promised. */
  onDelete (store: string, partition: number, log: number): void {
    const shadow = this.shadow(store, partition, log)
    shadow.batches = []
    shadow.deadOffset = 0
    this.forgotten.add(`${store}:${partition}`)
  }

  /** A log was cut. `isMending`: the store knows that it has lost something. */
  onTruncate (
    store: string, partition: number, log: number, offset: number, highWatermark: number, isMending: boolean
  ): void {
    const shadow = this.shadow(store, partition, log)
    if (!isMending && offset < shadow.endOffset) {
      if (offset < highWatermark) {
        this.fail('I6', `${store} cuts partition ${partition} log ${log} at ${offset}, below its high watermark ${highWatermark}`)
      }
      const lost = shadow.at(offset)
      const committed = lost === null ? null : this.committed(partition, log).at(offset)
      if (lost !== null && committed !== null && sameBatch(lost, committed)) {
        this.fail('I6', `${store} cuts what is committed off partition ${partition} log ${log}: ${describeBatch(lost)}`)
      }
    }
    shadow.truncateTo(offset)
  }

  onLead (partition: number, epoch: number, process: string): void {
    const key = `${partition}:${epoch}`
    const known = this.leaders.get(key)
    if (known !== undefined && known !== process) this.fail('I1', `epoch ${epoch} of partition ${partition}: ${known} and ${process}`)
    this.leaders.set(key, process)
  }

  /** Who leads `record.epoch` has done asking. */
  onRecovered (partition: number, record: PartitionRecord): void {
    for (const set of record.prev) {
      const count = set.filter(member => this.promised(memberName(member), partition) >= record.epoch).length
      if (count * 2 <= set.length) {
        this.fail('I10', `epoch ${record.epoch} of partition ${partition} was promised by ${count} of ${set.map(memberName).join()}`)
      }
    }
  }

  onOpen (store: string, partition: number, log: number, startOffset: number, epoch: number): void {
    const shadow = this.shadow(store, partition, log)
    for (const batch of this.committed(partition, log).batches) {
      // An old leader may come to open late; what newer ones have committed is none of its business.
      if (batch.baseOffset < startOffset || this.committedIn.get(batch)! >= epoch) continue
      const index = shadow.find(batch.baseOffset)
      if (index < 0 || !sameBatch(shadow.batches[index]!, batch)) {
        this.fail('I4', `${store} opens epoch ${epoch} of partition ${partition} log ${log} without ${describeBatch(batch)}`)
      }
    }
  }

  /** A replica takes everything in [from, to) for committed; a leader may be the first. */
  onHighWatermark (
    store: string, partition: number, log: number, from: number, to: number, set: readonly string[] | null,
    epoch: number,
  ): void {
    if (to < from) this.fail('I11', `the high watermark of ${store} falls from ${from} to ${to}`)
    const shadow = this.shadow(store, partition, log)
    const committed = this.committed(partition, log)
    for (let offset = from; offset < to;) {
      const own = shadow.at(offset)
      if (own === null) return this.fail('I2', `${store} commits offset ${offset} of partition ${partition} log ${log} and does not hold it`)
      const known = committed.at(offset)
      if (known !== null) {
        if (!sameBatch(known, own)) this.fail('I2', `offset ${offset} of partition ${partition} log ${log}: ${describeBatch(known)}, for ${store} ${describeBatch(own)}`)
      } else if (set === null) {
        this.fail('I2', `${store} follows and takes offset ${offset} of partition ${partition} log ${log} for committed before any leader did`)
      } else {
        this.commit(partition, log, own, epoch)
      }
      offset = own.endOffset
    }
    if (set !== null && to > from) this.checkEpoch(store, partition, log, to, epoch)
    if (set !== null && to > from && this.countsHolders) this.checkMajority(store, partition, log, to, set)
  }

  private commit (partition: number, log: number, batch: ShadowBatch, epoch: number): void {
    this.committedIn.set(batch, epoch)
    this.committed(partition, log).push(batch)
    this.onCommitted(partition, log, batch)
    if (batch.producerId < 0) return
    const key = `${partition}:${log}:${batch.producerId}`
    const expected = this.sequences.get(key) ?? 0
    if (batch.baseSequence !== expected) {
      this.fail('I8', `partition ${partition}: ${describeBatch(batch)} is committed where sequence ${expected} was to come`)
    }
    this.sequences.set(key, expected + batch.endOffset - batch.baseOffset)
  }

  /** A majority for something of an older epoch is no majority: something of the leader's own has to come on top. */
  private checkEpoch (leader: string, partition: number, log: number, offset: number, epoch: number): void {
    const last = this.shadow(leader, partition, log).at(offset - 1)
    if (last !== null && last.epoch !== epoch) {
      this.fail('I2', `${leader} leads epoch ${epoch} and commits up to ${describeBatch(last)} of partition ${partition} log ${log}`)
    }
  }

  private checkMajority (leader: string, partition: number, log: number, offset: number, set: readonly string[]): void {
    const last = this.shadow(leader, partition, log).at(offset - 1)!
    const safeOffsets = set.map(store => {
      const shadow = this.shadow(store, partition, log)
      // Who is being mended once had what it acknowledged.
      if (shadow.deadOffset < 0 && this.safeOffsetOf(store, partition, log) === Infinity) return Infinity
      const held = shadow.at(offset - 1)
      if (held === null || !sameBatch(held, last)) return 0
      return shadow.deadOffset >= 0 ? shadow.deadOffset : this.safeOffsetOf(store, partition, log)
    })
    if (safeOffsets.filter(safeOffset => safeOffset >= offset).length * 2 <= set.length) {
      this.fail('I11', `${leader} commits ${describeBatch(last)} of partition ${partition} log ${log}, which is safe up to ` +
        set.map((store, index) => `${safeOffsets[index]} in ${store}`).join(', '))
    }
  }

  /** A client was told that its batch is stored at `baseOffset`. */
  onAck (partition: number, log: number, baseOffset: number, crc: number): void {
    this.ackCount++
    const batch = this.committed(partition, log).at(baseOffset)
    if (batch === null || batch.baseOffset !== baseOffset || batch.crc !== crc) {
      this.fail('I3', `acknowledged at ${baseOffset} of partition ${partition} log ${log}, where ` +
        (batch === null ? 'nothing is committed' : `${describeBatch(batch)} is`))
    }
  }

  /** The same, by a leader that has not waited for others. */
  onLeaderAck (partition: number, log: number, baseOffset: number, crc: number, epoch: number): void {
    this.ackCount++
    this.leaderAcks.push({ partition, log, baseOffset, crc, epoch })
  }

  /** All is at rest in `lastEpoch`. @returns how many acknowledged batches are not where they were said to be. */
  checkLeaderAcks (partition: number, lastEpoch: number): number {
    let lost = 0
    for (const ack of this.leaderAcks) {
      if (ack.partition !== partition) continue
      const batch = this.committed(partition, ack.log).at(ack.baseOffset)
      if (batch?.baseOffset === ack.baseOffset && batch.crc === ack.crc) continue
      lost++
      if (ack.epoch >= lastEpoch || (batch !== null && batch.epoch <= ack.epoch)) {
        this.fail('I3', `acknowledged by the leader of epoch ${ack.epoch} at ${ack.baseOffset} of partition ${partition} ` +
          `log ${ack.log}, and ${batch === null ? 'nothing' : describeBatch(batch)} is there, though no other leader came`)
      }
    }
    return lost
  }

  onRead (store: string, partition: number, log: number, batch: ShadowBatch): void {
    const known = this.committed(partition, log).at(batch.baseOffset)
    if (known === null || !sameBatch(known, batch)) {
      this.fail('I5', `${store} serves ${describeBatch(batch)} of partition ${partition} log ${log}, not what is committed`)
    }
  }

  /** A promise has become durable in a store. */
  onPromise (store: string, partition: number, epoch: number): void {
    const before = this.promised(store, partition)
    if (epoch < before) this.fail('I9', `${store} promises ${epoch} after ${before} for partition ${partition}`)
    this.promises.set(`${store}:${partition}`, epoch)
    this.forgotten.delete(`${store}:${partition}`)
  }

  /** A process begins with what its store remembers. */
  onStart (store: string, partition: number, promised: number): void {
    const before = this.promised(store, partition)
    const isForgotten = this.forgotten.has(`${store}:${partition}`)
    if (promised < before && !isForgotten) this.fail('I9', `${store} has forgotten epoch ${before} of partition ${partition}: it says ${promised}`)
  }

  /** A member answers somebody of an epoch. */
  onAnswer (store: string, partition: number, epoch: number, kind: string): void {
    const promised = this.promised(store, partition)
    if (epoch < promised) this.fail('I9', `${store} says ${kind} in epoch ${epoch} of partition ${partition}, having promised ${promised}`)
  }

  /** Nothing is thrown: whoever calls may be inside a promise, where nobody would hear it. The run looks here. */
  fail (invariant: string, message: string): void {
    this.violation ??= new Violation(invariant, message)
  }

  private promised (store: string, partition: number): number {
    return this.promises.get(`${store}:${partition}`) ?? 0
  }
}

function shadowIn (shadows: Map<string, LogShadow>, key: string): LogShadow {
  let shadow = shadows.get(key)
  if (shadow === undefined) shadows.set(key, shadow = new LogShadow())
  return shadow
}
