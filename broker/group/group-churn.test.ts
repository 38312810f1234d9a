// Groups under churn: random sequences of everything that can happen, checked after every step.
//
// - calm: members come and go and messages are late, lost and out of order, but nobody is silent for too long: then no
//   partition is ever worked on by two members at once.
// - rough: sessions run out, partitions are taken away, processes and the broker restart, records cannot be stored:
//   then two may work on a partition for a while, but only one of them can commit.
//
// Both end in quiet: everything is assigned, to members that are alive, evenly, and the group is stable.

import { ERROR } from '@sluice/protocol'
import fc from 'fast-check'
import t from 'tap'
import type { HeartbeatEvent } from './group-types.js'
import { type Answer, GROUP, GoodMember, GroupWorld, SESSION_MS, calmDown } from './group-world.test.double.js'

const TOPICS = ['orders', 'refunds'] as const
const ASSIGNORS = ['range', 'round-robin', 'sticky', 'cooperative'] as const

interface Step { readonly kind: string, readonly a: number, readonly b: number }

const CALM_STEPS = ['join', 'send', 'send', 'deliver', 'deliver', 'deliver', 'letGo', 'letGo', 'hold', 'release', 'leave', 'grow', 'subscribe'] as const
const ROUGH_STEPS = [...CALM_STEPS, 'pass', 'pass', 'die', 'restart', 'reborn', 'failSave', 'recreate'] as const

function stepsOf (kinds: readonly string[], count: number): fc.Arbitrary<Step[]> {
  return fc.array(fc.record({
    kind: fc.constantFrom(...kinds), a: fc.nat(1_000), b: fc.nat(1_000),
  }), { maxLength: count, size: 'max' })
}

class Churn {
  readonly world = new GroupWorld({ generationBlock: 3 })
  alive: GoodMember[] = []
  /** Members whose process is gone or that left, and may still have requests and commits on their way. */
  readonly gone: GoodMember[] = []
  private readonly assignor: string
  private readonly inbox: { member: GoodMember, answer: Answer }[] = []
  private readonly held: HeartbeatEvent[] = []
  private instances = 0
  private highest = 0

  constructor (assignor: string) {
    this.assignor = assignor
    for (const topic of TOPICS) this.world.addTopic(topic, 3)
  }

  run ({ kind, a, b }: Step): void {
    const member = this.alive[a % Math.max(1, this.alive.length)]
    if (kind === 'join') this.join(b % 3 === 0 ? `static-${++this.instances}` : null, b)
    else if (kind === 'grow') this.grow(TOPICS[a % 2]!)
    else if (kind === 'deliver') this.deliver(a)
    else if (kind === 'release') this.release(a)
    else if (kind === 'pass') this.world.advance(500 + b * 5)
    else if (kind === 'restart') this.world.restart()
    else if (kind === 'failSave') this.failSave(b)
    else if (kind === 'recreate') this.recreate(TOPICS[a % 2]!)
    else if (member !== undefined) this.runMember(kind, member, b)
    this.noteGenerations()
  }

  /** No member that can commit a partition has another beside it. */
  checkCommits (): void {
    for (const topic of TOPICS) {
      for (let partition = 0; partition < this.world.topics.get(topic)!.partitions; partition++) {
        const committers = [...this.alive, ...this.gone].filter(member =>
          member.memberId !== '' && this.world.commit(member.memberId, member.generation, partition, topic) === 0)
        if (new Set(committers.map(member => member.memberId)).size > 1) throw new Error(`${topic}/${partition} has two owners`)
      }
    }
  }

  checkWork (): void {
    const workers = new Set<string>()
    for (const member of this.alive) {
      for (const key of member.working) {
        if (workers.has(key)) throw new Error(`two members work on ${key}`)
        workers.add(key)
      }
    }
  }

  /** Everybody alive goes on as a good client does, the others run out of time, and then all has to be well. */
  settleDown (): void {
    const { world, alive } = this
    this.inbox.length = 0
    this.held.length = 0
    world.savesAtOnce = true
    world.endTurn()
    for (let passedMs = 0; passedMs < 4 * SESSION_MS; passedMs += 1_000) {
      for (const member of alive) this.beatOrRejoin(member)
      world.advance(1_000)
    }
    calmDown(alive)
    this.checkWork()
    this.checkCommits()
    if (alive.length > 0) this.checkAllAssigned()
  }

  private checkAllAssigned (): void {
    const { world, alive } = this
    if (world.description()!.state !== 'stable') throw new Error('the group does not come to rest')
    const read = new Set(alive.flatMap(member => [...member.joinChanges.topics!]))
    for (const topic of read) {
      for (let partition = 0; partition < world.topics.get(topic)!.partitions; partition++) {
        const key = `${world.topics.get(topic)!.topicId}/${partition}`
        const owner = alive.find(member => member.working.has(key))
        if (owner === undefined) throw new Error(`nobody works on ${topic}/${partition}`)
        if (!owner.joinChanges.topics!.includes(topic)) throw new Error(`${topic}/${partition} is with one that does not read it`)
        const error = world.commit(owner.memberId, owner.generation, partition, topic)
        if (error !== 0) throw new Error(`the owner of ${topic}/${partition} cannot commit: ${error}`)
      }
    }
    const sameTopics = alive.every(member => String(member.joinChanges.topics) === String(alive[0]!.joinChanges.topics))
    const sizes = alive.map(member => member.working.size)
    if (sameTopics && this.assignor !== 'range' && Math.max(...sizes) - Math.min(...sizes) > 1) {
      throw new Error(`uneven: ${sizes.join(' ')}`)
    }
  }

  private runMember (kind: string, member: GoodMember, b: number): void {
    if (kind === 'letGo') member.letGo()
    else if (kind === 'send') this.send(this.heartbeatOf(member, b), member)
    else if (kind === 'hold') this.held.push(this.heartbeatOf(member, b))
    else if (kind === 'leave') this.end(member, true)
    else if (kind === 'die') this.end(member, false)
    else if (kind === 'subscribe') this.subscribe(member, b)
    else if (kind === 'reborn' && member.joinChanges.instanceId != null) this.reborn(member)
  }

  private join (instanceId: string | null, b: number): void {
    if (this.alive.length >= 5) return
    const member = new GoodMember(this.world, {
      instanceId, assignor: this.assignor, topics: topicsBy(b), sessionTimeoutMs: SESSION_MS, rebalanceTimeoutMs: 4_000,
    })
    this.alive.push(member)
    this.sendJoin(member)
  }

  private sendJoin (member: GoodMember): void {
    const { memberId, generation, owned } = member
    const answer = this.world.join({ ...member.joinChanges, memberId, generation, owned })
    // A join that waits for the disk is answered later, maybe after another of the same member.
    if (answer.pending) this.inbox.push({ member, answer })
    else member.take(answer)
  }

  private heartbeatOf (member: GoodMember, b: number): HeartbeatEvent {
    const { memberId, generation, owned } = member
    return { group: GROUP, memberId, generation: Math.max(0, generation), maxWaitMs: b % 2 === 0 ? 0 : 2_000, owned }
  }

  private send (event: HeartbeatEvent, member: GoodMember): void {
    const answer = this.world.heartbeat(event)
    this.inbox.push({ member, answer })
    if (answer.error === ERROR.UNKNOWN_MEMBER) this.sendJoin(member)
  }

  private deliver (a: number): void {
    const ready = this.inbox.filter(({ answer }) => !answer.pending)
    if (ready.length === 0) return
    const taken = ready[a % ready.length]!
    this.inbox.splice(this.inbox.indexOf(taken), 1)
    if (taken.answer.count !== 1) throw new Error(`answered ${taken.answer.count} times`)
    taken.member.take(taken.answer)
  }

  /** A request that was on its way for long arrives; its answer is lost. */
  private release (a: number): void {
    const [event] = this.held.splice(a % Math.max(1, this.held.length), 1)
    if (event !== undefined) this.world.heartbeat(event)
  }

  private end (member: GoodMember, leaves: boolean): void {
    this.alive = this.alive.filter(other => other !== member)
    this.gone.push(member)
    if (leaves) this.world.leave(member.memberId)
  }

  private reborn (member: GoodMember): void {
    this.end(member, false)
    const next = new GoodMember(this.world, member.joinChanges)
    this.alive.push(next)
    this.sendJoin(next)
  }

  private subscribe (member: GoodMember, b: number): void {
    member.joinChanges = { ...member.joinChanges, topics: topicsBy(b) }
    this.sendJoin(member)
  }

  private grow (topic: string): void {
    const { partitions } = this.world.topics.get(topic)!
    if (partitions < 8) this.world.addTopic(topic, partitions + 1)
  }

  private recreate (topic: string): void {
    this.world.deleteTopic(topic)
    this.world.addTopic(topic, 2)
  }

  private failSave (b: number): void {
    this.world.savesAtOnce = b % 2 === 0
    if (this.world.saves.length > 0) this.world.failSave('ENOSPC')
  }

  private beatOrRejoin (member: GoodMember): void {
    if (member.memberId !== '') member.beat().letGo()
    if (member.memberId === '' || member.lastError === ERROR.UNKNOWN_MEMBER) member.join()
  }

  private noteGenerations (): void {
    const generation = this.world.description()?.generation ?? this.highest
    if (generation < this.highest) throw new Error(`the generation went from ${this.highest} back to ${generation}`)
    this.highest = generation
    const ceiling = this.world.records.get(GROUP)?.generationCeiling ?? 0
    for (const member of this.alive) {
      if (member.generation > ceiling) throw new Error(`generation ${member.generation} was told before it was durable`)
    }
  }
}

function topicsBy (b: number): string[] {
  return b % 5 === 0 ? [TOPICS[0]] : b % 5 === 1 ? [TOPICS[1]] : [...TOPICS]
}

for (const assignor of ASSIGNORS) {
  t.test(`Churn: no partition is worked on by two members (calm, ${assignor})`, async t => {
    fc.assert(fc.property(stepsOf(CALM_STEPS, 80), steps => {
      const churn = new Churn(assignor)
      for (const step of steps) {
        churn.run(step)
        churn.checkWork()
        churn.checkCommits()
      }
      churn.settleDown()
    }), { seed: 7_400, numRuns: 400 })
    t.pass()
  })

  t.test(`Churn: no partition can be committed by two members (rough, ${assignor})`, async t => {
    fc.assert(fc.property(stepsOf(ROUGH_STEPS, 80), steps => {
      const churn = new Churn(assignor)
      for (const step of steps) {
        churn.run(step)
        churn.checkCommits()
      }
      churn.settleDown()
    }), { seed: 7_401, numRuns: 400 })
    t.pass()
  })
}
