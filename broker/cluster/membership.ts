// This broker among the others: its entry in the control store, on a lease, and what it says of those that it cannot
// reach.
//
//   join ─ open a lease ─ put the entry ──▶ registered ── lease lost ──▶ a new lease, the same entry, for as long as
//                  │                                                     the process lives
//                  └ another process has the id ─▶ ours from before a crash: replaced at once
//                                               └▶ anybody else's: wait for its lease to end, or be refused
//
// Losing the lease means nothing to what this broker leads: it goes on until its followers have promised another epoch.

import { ControlStoreError, type ControlChange, type ControlLease, type ControlStore } from '../control/control-store.js'
import type { StorageTrouble } from '../replica-host/storage-watch.js'
import type { Clock } from '../runtime/clock.js'
import type { Logger } from '../runtime/logger.js'
import { systemTimers, type Timers } from '../runtime/timers.js'
import { brokerKey, suspicionKey, type BrokerRecord, type Suspicion } from './cluster-records.js'
import type { ClusterMetadata } from './cluster-metadata.js'

export interface MembershipOptions {
  readonly control: ControlStore
  readonly metadata: ClusterMetadata
  readonly clock: Clock
  readonly logger: Logger
  readonly timers?: Timers
  readonly timing?: Partial<MembershipTiming>
}

export interface MembershipTiming {
  /** The entry goes so long after the broker has died. */
  readonly leaseMs: number
  /** An entry of somebody else under this id may take so long to go. */
  readonly idTakenMs: number
  /** What failed is tried again so often. */
  readonly retryMs: number
}

export const MEMBERSHIP_TIMING: MembershipTiming = Object.freeze({ leaseMs: 8_000, idTakenMs: 15_000, retryMs: 500 })

/** Another broker of this id lives. */
export class BrokerIdTakenError extends Error {
  constructor (record: BrokerRecord) {
    super(`broker id ${record.brokerId} is in use by a broker at ${record.host}:${record.port}; give this one another --id`)
    this.name = 'BrokerIdTakenError'
  }
}

export class Membership {
  /** Called after a lease was lost, with the one that took its place: what hung on the old one is gone. */
  onNewLease: (lease: ControlLease) => void = () => {}
  private readonly control: ControlStore
  private readonly metadata: ClusterMetadata
  private readonly clock: Clock
  private readonly logger: Logger
  private readonly timers: Timers
  private readonly timing: MembershipTiming
  private record: BrokerRecord | null = null
  private currentLease: ControlLease | null = null
  /** Brokers that cannot be reached, with the process that was reached last. */
  private readonly suspects = new Map<number, string>()
  /** The lease is new, and the entry does not hang on it yet. */
  private isUnregistered = true
  private working: Promise<void> | null = null
  private again = false
  private endChecks = (): void => {}
  private closed = false

  constructor ({ control, metadata, clock, logger, timers = systemTimers, timing }: MembershipOptions) {
    this.control = control
    this.metadata = metadata
    this.clock = clock
    this.logger = logger
    this.timers = timers
    this.timing = { ...MEMBERSHIP_TIMING, ...timing }
  }

  /** What hangs on it goes with this broker; null while there is none. */
  get lease (): ControlLease | null { return this.currentLease }

  /** Registers. @throws BrokerIdTakenError, or a ControlStoreError where the control store cannot be reached. */
  async join (record: BrokerRecord): Promise<void> {
    await this.openLease()
    try {
      await this.takeId(record)
    } catch (error) {
      await this.currentLease?.close()
      throw error
    }
    this.record = record
    this.endChecks()
    this.endChecks = this.timers.every(this.timing.retryMs, () => this.check())
  }

  private async takeId (record: BrokerRecord): Promise<void> {
    const deadlineMs = this.clock.monotonicMs() + this.timing.idTakenMs
    for (let known = await this.register(record); known !== null; known = await this.register(record)) {
      if (this.clock.monotonicMs() >= deadlineMs) throw new BrokerIdTakenError(known)
      this.logger.warn({ address: `${known.host}:${known.port}` }, 'the id of this broker is in use; waiting for its owner to go')
      await new Promise<void>(resolve => this.timers.after(this.timing.retryMs, resolve))
    }
  }

  /** Says what is wrong with this broker's disk, or that nothing is any more. */
  setImpaired (trouble: StorageTrouble | null): void {
    if (this.record === null || (this.record.impaired ?? null) === trouble) return
    const { impaired: _, ...record } = this.record
    this.record = trouble === null ? record : { ...record, impaired: trouble }
    this.check()
  }

  /** Says that a process cannot be reached: where another broker says so too, it leads nothing any more. */
  suspect (brokerId: number, incarnation: string): void {
    this.suspects.set(brokerId, incarnation)
    this.check()
  }

  /** Takes it back. */
  clear (brokerId: number): void {
    if (this.suspects.delete(brokerId)) this.check()
  }

  /** Leaves: the others know at once. */
  async leave (): Promise<void> {
    this.closed = true
    this.endChecks()
    await this.working?.catch(() => {})
    await this.currentLease?.close()
  }

  private async openLease (): Promise<void> {
    const lease = await this.control.openLease(this.timing.leaseMs, () => {
      if (this.currentLease !== lease) return
      this.currentLease = null
      if (!this.closed) this.logger.warn({}, 'the lease of this broker in the control store has ended; it registers again')
      this.check()
    })
    this.currentLease = lease
    this.isUnregistered = true
  }

  /** Puts the entry down. @returns null where it is there; the entry of another broker where that holds the id. */
  private async register (record: BrokerRecord): Promise<BrokerRecord | null> {
    const key = brokerKey(record.brokerId)
    const entry = await this.control.get(key)
    const known = entry?.value as BrokerRecord | undefined
    // A store has one process at a time: its lock was ours before we came here, so whoever wrote this is gone.
    if (known !== undefined && known.storeId !== record.storeId) return known
    const change: ControlChange = { key, value: record, lease: this.currentLease!.id }
    const revision = await this.control.commit([change], [{ key, revision: entry?.revision ?? 0 }])
    if (revision === null) return await this.register(record)
    this.isUnregistered = false
    return null
  }

  /** Looks whether everything that this broker says is there, and puts down what is not. */
  private check (): void {
    if (this.closed || this.record === null) return
    if (this.working !== null) {
      this.again = true
      return
    }
    this.working = this.restore(this.record).catch((cause: Error) => {
      const isQuiet = cause instanceof ControlStoreError && cause.fault !== 'denied'
      if (!isQuiet) this.logger.error({ err: cause }, 'this broker could not register again; it is tried again')
    }).finally(() => {
      this.working = null
      if (!this.again) return
      this.again = false
      this.check()
    })
  }

  private async restore (record: BrokerRecord): Promise<void> {
    if (this.currentLease === null) {
      await this.openLease()
      this.onNewLease(this.currentLease!)
    }
    const known = this.metadata.brokers.get(String(record.brokerId))
    const isOurs = known?.incarnation === record.incarnation && known.impaired === record.impaired
    if (this.isUnregistered || !isOurs) {
      const other = await this.register(record)
      if (other !== null) throw new BrokerIdTakenError(other)
    }
    await this.sayWhoIsSuspect(record)
  }

  private async sayWhoIsSuspect ({ brokerId: by, incarnation: byIncarnation }: BrokerRecord): Promise<void> {
    const lease = this.currentLease?.id
    if (lease === undefined) return
    const changes: ControlChange[] = []
    for (const [suspect, incarnation] of this.suspects) {
      const { suspicions, brokers } = this.metadata
      // It has gone, or is another process by now.
      if (brokers.get(String(suspect))?.incarnation !== incarnation) continue
      const said = suspicions.get(`${suspect}/${by}`)
      if (said?.incarnation === incarnation && said.byIncarnation === byIncarnation) continue
      const value: Suspicion = { incarnation, byIncarnation }
      changes.push({ key: suspicionKey(suspect, by), value, lease })
    }
    for (const [name, { value }] of this.metadata.suspicions.entries) {
      const [suspect, sayer] = name.split('/').map(Number) as [number, number]
      if (sayer !== by || this.suspects.get(suspect) === value.incarnation) continue
      changes.push({ key: suspicionKey(suspect, by), value: null })
    }
    if (changes.length > 0) await this.control.commit(changes)
  }
}
