// Random lives of a queue group: what consumers, operators, time, disks and crashes can do to it, step by step, each
// step followed by a look at everything (`QueueChecker`). A life ends well: all is repaired, everybody works, and
// nothing may be left over.

import fc from 'fast-check'
import { CHANGE_ANSWER } from './record-changes.js'
import type { QueueConfig } from './queue-settings.js'
import { SETTLE_ANSWER, SETTLE_KIND, type SettleItem, type SettleKind } from './queue-types.js'
import { QueueChecker, type Cause } from './queue-checker.test.double.js'
import { QueueWorld, itemOf, type Handle, type Mutant } from './queue-world.test.double.js'
import { canonicalState } from './queue-canonical.test.double.js'

export interface Step { readonly kind: string, readonly a: number, readonly b: number }

const STEPS = [
  'append', 'append', 'append', 'append', 'receive', 'receive', 'receive', 'receive', 'ack', 'ack', 'ack', 'nack', 'nack',
  'release', 'reject', 'extend', 'start', 'ackAll', 'forge', 'pass', 'pass', 'passLong', 'stepWall', 'persist', 'persist',
  'crash', 'checkpoint', 'heartbeat', 'heartbeat', 'disconnect', 'close', 'cancel', 'reschedule', 'letters', 'letters',
  'pause', 'resumeLane', 'trim', 'purge', 'slowFeed', 'loadFeed',
] as const

export function stepsOf (maxLength: number): fc.Arbitrary<Step[]> {
  const step = fc.record({ kind: fc.constantFrom(...STEPS), a: fc.nat(1_000), b: fc.nat(1_000) })
  return fc.array(step, { maxLength, size: 'max' })
}

const SESSIONS = [11, 12, 13] as const
/** Timed from delivery; timed from `start`; renewed by heartbeats. */
const SESSION_FLAGS = [0, 1, 2] as const

export class QueueLife {
  readonly world: QueueWorld
  readonly checker: QueueChecker

  constructor (config: Partial<QueueConfig>, mutant: Mutant | null = null, seed = 1) {
    this.world = new QueueWorld(config, mutant, seed)
    this.checker = new QueueChecker(this.world)
    this.openSessions()
    this.world.persist()
    this.checker.check('other')
  }

  run ({ kind, a, b }: Step): void {
    const cause = this.act(kind, a, b)
    this.world.endTurn()
    this.checker.check(cause)
  }

  /** A state that only heard of the deltas is the leader's, to the last field. */
  checkFollower (): void {
    // That mutant counts outside of the deltas: it is to be found by what consumers see.
    if (this.world.mutant === 'leaseSeqReused') return
    const leader = canonicalState(this.world.group.state)
    const follower = canonicalState(this.world.follower().state)
    if (leader !== follower) throw new Error(`the deltas add up to something else:\n${leader}\n${follower}`)
  }

  /** All is repaired, and everybody works until nothing is left. */
  drain (): void {
    const { world } = this
    world.isFeedSlow = false
    world.load()
    world.group.setPaused(false, () => {})
    world.endTurn()
    this.checker.check('settle')
    for (let round = 0; round < 400 && world.group.state.floor < world.highWatermark; round++) this.drainRound(round)
    this.checker.check('time')
    this.checker.checkDrained()
    this.checkFollower()
  }

  private drainRound (round: number): void {
    const { world } = this
    for (const lane of [0, 1, 2]) world.group.resumeLane(lane, false)
    world.endTurn()
    this.checker.check('resume')
    for (const sessionId of SESSIONS) {
      this.receive(sessionId, 5)
      world.persist()
      this.checker.check('other')
    }
    for (const handle of world.handles.splice(0)) this.settle(SETTLE_KIND.ack, handle, {})
    world.persist()
    this.checker.check('settle')
    world.answerLetters('appended')
    world.persist()
    this.checker.check('settle')
    this.pass(round < 200 ? 1_000 : 3_600_000)
    this.openSessions()
  }

  private act (kind: string, a: number, b: number): Cause {
    const { world } = this
    const handle = world.handles[a % Math.max(1, world.handles.length)]
    switch (kind) {
      case 'append': this.append(a, b); return 'other'
      case 'receive': this.receive(SESSIONS[a % 3]!, 1 + b % 6); return 'settle'
      case 'ack': case 'nack': case 'release': case 'reject': case 'extend': case 'start':
        if (handle !== undefined) this.settle(SETTLE_KIND[kind], handle, this.detailOf(kind, b))
        return 'settle'
      case 'ackAll': for (const one of world.handles.slice(-4)) this.settle(SETTLE_KIND.ack, one, {}); return 'settle'
      case 'forge': this.forge(a, b); return 'settle'
      case 'pass': this.pass(50 + a * 3); return 'time'
      case 'passLong': this.pass(60_000 + a * 100); return 'time'
      case 'stepWall': world.wallMs += (a % 2 === 0 ? 1 : -1) * 86_400_000; world.tick(); return 'time'
      case 'persist': world.persist(a % 4 === 0 ? 1 : Infinity); return 'other'
      case 'crash': this.crash(a, b); return 'time'
      case 'checkpoint': world.takeCheckpoint(); return 'other'
      default: return this.actOnGroup(kind, a, b)
    }
  }

  private actOnGroup (kind: string, a: number, b: number): Cause {
    const { world } = this
    switch (kind) {
      case 'heartbeat': this.openSessions(); return 'other'
      case 'disconnect': world.group.sessionDisconnected(SESSIONS[a % 3]!); return 'other'
      case 'close': this.close(SESSIONS[a % 3]!); return 'settle'
      case 'cancel': this.cancel(a % (world.records.length + 2)); return 'settle'
      case 'reschedule': this.reschedule(a % (world.records.length + 2), b); return 'settle'
      case 'letters': world.answerLetters((['appended', 'failed', 'lost'] as const)[a % 3]!); return 'settle'
      case 'pause': world.group.setPaused(a % 2 === 0, () => {}); return 'other'
      case 'resumeLane': world.group.resumeLane(a % 3, b % 2 === 0); return 'resume'
      case 'trim': if (a % 4 === 0) this.trim(b); return 'settle'
      case 'purge': if (a % 10 === 0) this.purge(); return 'settle'
      case 'slowFeed': world.isFeedSlow = true; world.unload(); return 'other'
      default: world.load(); return 'settle'
    }
  }

  private append (a: number, b: number): void {
    const { world } = this
    const notBeforeMs = a % 7 === 0 ? world.wallMs + b * (a % 2 === 0 ? 10 : 1_000) : 0
    const expiresMs = a % 11 === 0 ? world.wallMs + b * 20 : 0
    const lane = a % 5 === 0 ? -1 : a % 3
    for (let left = 1 + b % 3; left > 0; left--) world.append({ lane, notBeforeMs, expiresMs, priority: b % 10 })
    this.checker.onAppended()
  }

  private receive (sessionId: number, maxRecords: number): void {
    this.world.receive(sessionId, maxRecords, handles => this.checker.onTold(handles))
    this.checker.onLeased(sessionId)
  }

  private settle (kind: SettleKind, handle: Handle, detail: Partial<SettleItem>): void {
    this.checker.check('settle')
    const item = itemOf(kind, handle, detail)
    const expected = this.checker.predict(item)
    const { world } = this
    let isSame = true
    let given = expected
    world.group.settle([item], answers => {
      if (answers === null) return
      const answer = answers[0]!
      // What cannot be told for now is answered so.
      given = answer
      const isUntold = answer === SETTLE_ANSWER.BUSY || answer === SETTLE_ANSWER.UNKNOWN
      isSame = answer === expected || (world.isFeedSlow && isUntold)
      if (!isSame) throw new Error(`settle ${JSON.stringify(item)} answers ${answer}, not ${expected}`)
      if (kind === SETTLE_KIND.ack && (answer === SETTLE_ANSWER.OK || answer === SETTLE_ANSWER.LATE_OK)) {
        this.checker.onAckAnswered(item.offset)
      }
    })
    if (world.isFeedSlow) this.endTurnDurably()
    this.checker.onSettled(item, given)
    this.checker.check('settle', item.offset)
  }

  private endTurnDurably (): void {
    this.world.endTurn()
    this.world.persist()
  }

  private detailOf (kind: string, b: number): Partial<SettleItem> {
    if (kind === 'nack') return b % 2 === 0 ? { reason: 'no' } : { delayMs: b * 100 }
    return kind === 'extend' ? { delayMs: b * 20 } : {}
  }

  /** Handles that nobody was given, and handles with something changed. */
  private forge (a: number, b: number): void {
    const { world } = this
    const offset = a % (world.records.length + 3)
    const leaseEpoch = b % 3 === 0 ? world.epoch : world.epoch + 1
    const leaseSequence = b % 3 === 0 ? world.group.state.leaseCounter + 1 + b : b
    this.settle(SETTLE_KIND.ack, { offset, leaseEpoch, leaseSequence, sessionId: 0 }, {})
  }

  private pass (durationMs: number): void {
    this.world.elapse(durationMs)
    this.world.tick()
    this.world.load()
    this.checker.check('time')
    this.world.tick()
  }

  private crash (a: number, b: number): void {
    const { world } = this
    const crashedAtMs = world.monotonicMs
    if (b % 2 === 0) world.persist(a % 3)
    world.crash(b % 5 === 0 ? 30_000 : 0)
    this.checker.onCrash(crashedAtMs)
    if (world.isFeedSlow) world.load()
    this.checkFollower()
    // Sessions whose opening was not durable are opened again by their consumers.
    this.openSessions()
  }

  private openSessions (): void {
    SESSIONS.forEach((sessionId, index) => {
      this.world.group.openSession(sessionId, SESSION_FLAGS[index]!)
      this.world.group.heartbeat(sessionId)
    })
    this.world.endTurn()
  }

  private close (sessionId: number): void {
    this.world.group.closeSession(sessionId)
    this.world.endTurn()
    this.checker.check('settle')
    this.openSessions()
  }

  private cancel (offset: number): void {
    const answer = this.answerOf(done => this.world.group.cancel(offset, done))
    this.checker.check('settle', offset)
    if (answer === CHANGE_ANSWER.REQUESTED) this.checker.onCancelRequested(offset)
  }

  private reschedule (offset: number, b: number): void {
    const { world } = this
    const notBeforeMs = world.wallMs + b * 100
    const before = world.group.explain(offset).state
    if (before === 'leased' || before === 'terminal') return
    world.group.reschedule(offset, notBeforeMs, answer => {
      if (answer === CHANGE_ANSWER.OK && before === 'above-high-watermark') throw new Error('rescheduled what is not there')
    })
    const { state } = world.group
    const slot = state.find(offset)
    if (slot >= 0 && state.ledger.times[slot] === notBeforeMs) this.checker.onRescheduled(offset, notBeforeMs)
  }

  private answerOf (call: (done: (answer: number | null) => void) => void): number | null {
    let given: number | null = null
    call(answer => { given = answer })
    this.world.endTurn()
    this.world.persist()
    return given
  }

  private trim (b: number): void {
    const { world } = this
    const offset = Math.min(world.records.length, world.startOffset + b % 4)
    world.startOffset = offset
    world.group.onStartOffsetMoved(offset)
    this.checker.onTrimmed(offset)
  }

  private purge (): void {
    const { world } = this
    if (world.group.purge(() => {})) this.checker.onTrimmed(world.records.length)
  }
}
