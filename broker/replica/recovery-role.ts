// A new leader on its way: it asks the members of every earlier set, takes over the best of their logs, and leads then.
//
//    new-epoch to all ─▶ a majority of each set has promised ─▶ choose, log by log ─▶ cut own ─▶ pull ─▶ lead
//           ▲                                                                                  │
//           └────────── the chosen member delivers nothing ◀───────────────────────────────────┘
//
// Why what was committed is there: it is durable on a majority of its epoch's set. That set is among those read, so one
// holder is among those who promised, and it stopped acknowledging the older epoch when it did. The best log by (last
// epoch, end offset) holds everything that this holder has, since an epoch begins only on top of all before it.
//
// Members that may have lost something count for nothing; only where every member of a set has answered are their logs
// taken too, and not even then while one of them owes more than anybody has.

import { type Member, memberName } from './member.js'
import type { PartitionRecord } from './partition-record.js'
import type { Replica } from './replica.js'
import { compareLogEnds, type LogClaim, type LogEnd, type ReplicaMessage } from './replica-message.js'
import { firstHeader, ReplicatedLog } from './replicated-log.js'

interface Answer { readonly member: Member, readonly trusted: boolean, readonly logs: readonly LogClaim[] }

/** A log that is being taken over. */
interface Copy {
  readonly log: ReplicatedLog
  readonly source: Member
  readonly claim: LogClaim
  readonly endOffset: number
  /** The own log has nothing in common with it: it begins anew with the first batch that comes. */
  startsOver: boolean
}

export class RecoveryRole {
  readonly name = 'recover'
  readonly epoch: number
  readonly record: PartitionRecord
  ended = false
  private readonly replica: Replica
  private readonly members: readonly Member[]
  private readonly answers = new Map<string, Answer>()
  private copies: Copy[] | null = null
  /** The data log of the best answer ended below this epoch: what a forced recovery lost is to be written down. */
  private recoveredEpoch = 0
  private askedMs = -Infinity
  private progressMs = 0
  private blockedReported = false
  /** What is about to be cut is being noted first. */
  private noting = false

  constructor (replica: Replica, record: PartitionRecord) {
    this.replica = replica
    this.record = record
    this.epoch = record.epoch
    const members = new Map<string, Member>()
    for (const set of [...replica.rules.setsToRead(record), record.replicas]) {
      for (const member of set) members.set(memberName(member), member)
    }
    this.members = [...members.values()]
  }

  /** Whom it waits for; nobody, once it has enough to take over. */
  get standing (): { readonly isBlocked: boolean, readonly waitsFor: number[], readonly untrusted: number[] } {
    const { rules } = this.replica
    const asked = new Map(rules.setsToRead(this.record).flat().map(member => [memberName(member), member]))
    const members = this.copies === null ? [...asked.values()] : []
    const isSilent = (member: Member): boolean => this.answerOf(member) === undefined
    const isDoubtful = (member: Member): boolean => this.answerOf(member)?.trusted === false
    const idsOf = (chosen: readonly Member[]): number[] => chosen.map(({ brokerId }) => brokerId)
    return {
      isBlocked: this.blockedReported && this.copies === null,
      waitsFor: idsOf(members.filter(isSilent)),
      untrusted: idsOf(members.filter(isDoubtful)),
    }
  }

  begin (): void {
    this.answerSelf()
    this.ask()
  }

  onEnd (): void {}
  onLogAdvance (): void {}

  onMessage (from: number, message: ReplicaMessage): void {
    if (message.kind === 'promise') this.onPromise(from, message)
    else if (message.kind === 'pulled') this.onPulled(message)
  }

  tick (nowMs: number): void {
    if (this.copies === null) {
      if (nowMs - this.askedMs >= this.replica.timing.recoveryRetryMs) this.ask()
      return
    }
    if (this.noting || this.copies[0]?.log.busy === true) return
    if (nowMs - this.progressMs > this.replica.timing.pullTimeoutMs) return this.giveUpSource()
    this.next()
  }

  // Asking.

  private ask (): void {
    const { host } = this.replica
    this.askedMs = host.monotonicMs()
    for (const { brokerId, storeId } of this.members) {
      if (this.replica.rules.isMember({ brokerId, storeId }, host.self)) continue
      if (this.answers.has(memberName({ brokerId, storeId }))) continue
      this.replica.send(brokerId, { kind: 'new-epoch', epoch: this.epoch, storeId })
    }
  }

  private answerSelf (): void {
    this.replica.settle(() => {
      if (this.replica.rules.isStale(this)) return
      const { logs, host } = this.replica
      const trusted = this.replica.trusted && logs.every(log => log.damagedFrom < 0)
      this.take({ member: host.self, trusted, logs: this.replica.claims() })
    })
  }

  private onPromise (from: number, { storeId, trusted, logs }: ReplicaMessage & { kind: 'promise' }): void {
    const member = this.members.find(each => this.replica.rules.isMember(each, { brokerId: from, storeId }))
    if (member === undefined || logs.length !== this.replica.logs.length) return
    this.take({ member, trusted, logs })
  }

  private take (answer: Answer): void {
    this.answers.set(memberName(answer.member), answer)
    if (this.copies === null) this.choose()
  }

  // Choosing.

  private choose (): void {
    const { rules, host } = this.replica
    const self = this.answers.get(memberName(host.self))
    if (self === undefined) return
    const sets = rules.setsToRead(this.record)
    const isCounted = (member: Member): boolean => {
      const answer = this.answerOf(member)
      return answer !== undefined && rules.countsAsAnswer(answer.trusted)
    }
    const hasQuorum = sets.every(set => set.filter(isCounted).length >= rules.readQuorum(set.length))
    if (!hasQuorum && !sets.every(set => set.every(member => this.answerOf(member) !== undefined))) return
    const inSets = sets.flat().filter(member => hasQuorum ? isCounted(member) : true)
    const candidates = new Set<Answer>()
    // Itself first: what it has it need not fetch.
    if (inSets.some(member => rules.isMember(member, host.self))) candidates.add(self)
    for (const member of inSets) {
      const answer = this.answerOf(member)
      if (answer !== undefined) candidates.add(answer)
    }
    this.decide([...candidates], !hasQuorum)
  }

  private answerOf (member: Member): Answer | undefined {
    return this.answers.get(memberName(member))
  }

  private decide (candidates: readonly Answer[], isLastResort: boolean): void {
    const copies: Copy[] = []
    for (const log of this.replica.logs) {
      const claims = candidates.map(({ logs }) => logs[log.index]!)
      const ends = claims.map(claim => ReplicatedLog.soundEnd(claim))
      const chosen = this.replica.rules.best(ends, 0)
      if (isLastResort && claims.some(claim => exceeds(claim, ends[chosen]!))) return this.reportBlocked()
      if (log.index === 0) this.recoveredEpoch = ends[chosen]!.lastEpoch
      const { member: source } = candidates[chosen]!
      const { endOffset } = ends[chosen]!
      copies.push({ log, source, claim: claims[chosen]!, endOffset, startsOver: false })
    }
    this.copies = copies
    this.progressMs = this.replica.host.monotonicMs()
    if (copies.some(copy => copy.log.damagedFrom >= 0)) {
      this.noting = true
      this.replica.distrust(() => {
        this.noting = false
        if (!this.replica.rules.isStale(this)) this.next()
      })
    } else {
      this.next()
    }
  }

  private reportBlocked (): void {
    if (this.blockedReported) return
    this.blockedReported = true
    this.replica.host.report('recovery-blocked',
      `epoch ${this.epoch}: a member has acknowledged more than anybody has now; mend its disk, or force the recovery`)
  }

  // Taking over.

  /** Goes on with the first log that is not taken over yet; leads when all are. */
  private next (): void {
    const copy = this.copies![0]
    if (copy === undefined) return this.replica.lead(this.record, this.recoveredEpoch < this.record.lossEpoch)
    const { log, source, claim } = copy
    if (this.replica.rules.isMember(source, this.replica.host.self)) {
      if (log.damagedFrom < 0) return this.finish(copy)
      return this.cut(copy, log.damagedFrom)
    }
    const own = log.claim(null)
    const common = Math.min(commonEnd(own, claim), copy.endOffset)
    if (common < 0 || common < own.startOffset || common < claim.startOffset) {
      if (own.epochs.length === 0 && own.startOffset === claim.startOffset) return this.continue()
      if (claim.endOffset === claim.startOffset) {
        return log.restart(claim.startOffset, claim.lastCrc, error => this.onMoved(error))
      }
      copy.startsOver = true
      return this.pull(copy, claim.startOffset)
    }
    copy.startsOver = false
    const cutOffset = log.damagedFrom < 0 ? common : Math.min(common, log.damagedFrom)
    if (cutOffset < own.endOffset) this.cut(copy, cutOffset)
    else this.continue()
  }

  private cut ({ log }: Copy, offset: number): void {
    log.cut(offset, error => this.onMoved(error))
  }

  private onMoved (error: Error | null): void {
    if (this.replica.rules.isStale(this)) return
    this.progressMs = this.replica.host.monotonicMs()
    if (error === null) this.next()
    else this.replica.host.report('storage-failed', error.message)
  }

  /** Asks for what comes next, again and again until it is there. */
  private continue (): void {
    const copy = this.copies?.[0]
    if (copy === undefined || copy.log.busy || this.noting) return
    const isOwn = this.replica.rules.isMember(copy.source, this.replica.host.self)
    if (isOwn || copy.log.nextOffset >= copy.endOffset) return this.finish(copy)
    this.pull(copy, copy.log.nextOffset)
  }

  private pull ({ log, source }: Copy, offset: number): void {
    this.replica.send(source.brokerId, { kind: 'pull', epoch: this.epoch, log: log.index, offset })
  }

  private onPulled ({ log: index, offset, buffers }: ReplicaMessage & { kind: 'pulled' }): void {
    const copy = this.copies?.[0]
    if (copy === undefined || copy.log.index !== index || copy.log.busy) return
    if (buffers === null) return this.giveUpSource()
    const first = firstHeader(buffers)
    if (first === null || first.baseOffset !== offset) return
    if (copy.startsOver) {
      if (offset !== copy.claim.startOffset) return
      copy.startsOver = false
      copy.log.restart(offset, first.prevCrc, error => this.onMoved(error))
    } else if (offset === copy.log.nextOffset && first.prevCrc === copy.log.log.lastCrc) {
      if (copy.log.appendFromLeader(buffers) !== 'appended') return
      this.progressMs = this.replica.host.monotonicMs()
      this.continue()
    }
  }

  private finish (copy: Copy): void {
    if (copy.log.log.state !== 'online') return
    this.copies!.splice(this.copies!.indexOf(copy), 1)
    this.next()
  }

  /** The chosen member is gone, or cannot read what it has: its answer no longer counts. */
  private giveUpSource (): void {
    const source = this.copies?.[0]?.source
    this.copies = null
    const own = memberName(this.replica.host.self)
    if (source !== undefined && memberName(source) !== own) this.answers.delete(memberName(source))
    this.answers.delete(own)
    this.answerSelf()
    this.ask()
  }
}

/** The end of what two logs have in common: where their newest common epoch ends in the shorter one; -1: nothing. */
function commonEnd (own: LogClaim, other: LogClaim): number {
  for (let index = own.epochs.length - 1; index >= 0; index--) {
    const { epoch } = own.epochs[index]!
    const at = other.epochs.findIndex(start => start.epoch === epoch)
    if (at < 0) continue
    const ownEnd = own.epochs[index + 1]?.startOffset ?? own.endOffset
    return Math.min(ownEnd, other.epochs[at + 1]?.startOffset ?? other.endOffset)
  }
  if (own.epochs.length === 0 || other.startOffset > 0) return -1
  return 0
}

/** True where a member had acknowledged more than `best`, as far as it knows. */
function exceeds (claim: LogClaim, best: LogEnd): boolean {
  return compareLogEnds(claim, best) > 0 || (claim.owed !== null && compareLogEnds(claim.owed, best) > 0)
}
