// A redrive moves each letter once, in order, whatever stops in between.

import fc from 'fast-check'
import t from 'tap'
import { QueueStateFault } from './byte-reader.js'
import { RedriveJob } from './redrive-job.js'
import { decodeRedrive, encodeRedrive } from './redrive-record.js'
import { EVERYTHING, RedriveWorld, letterOf, type Letter, type Outcome } from './redrive-world.test.double.js'
import { REDRIVE_STATE, isMatch, type RedriveSpec } from './redrive-types.js'

const { running, done, cancelled, failed } = REDRIVE_STATE
const OUTCOMES: readonly Outcome[] = ['done', 'failed', 'doneButFailed', 'crashBefore', 'crashHalfway', 'crashAfter']

const lettersOf = (...counts: number[]): Letter[][] =>
  counts.map((count, partition) => Array.from({ length: count }, (_, offset) => letterOf(partition, offset)))
const offsetsOf = (letters: readonly Letter[]): number[] => letters.map(({ offset }) => offset)

/** No letter twice; none that the filter keeps back; the figures are right. */
function checkMoved (world: RedriveWorld): void {
  const { moved, spec, job } = world
  if (new Set(moved).size !== moved.length) throw new Error('a letter was moved twice')
  for (const letter of moved) {
    if (!isMatch(spec.filter, { ...letter, headerOf: () => letter.tenant })) throw new Error('a letter too many')
    if (letter.state !== 'settled') throw new Error('a letter that was moved is still there')
  }
  if (job.status.moved !== moved.length) throw new Error(`${job.status.moved} told, ${moved.length} moved`)
  if (spec.limit > 0 && moved.length > spec.limit) throw new Error('above the limit')
}

/** All that match were moved; where nobody leased any, in the order in which they had been in their log. */
function checkComplete (world: RedriveWorld): void {
  const moved = new Set(world.moved)
  for (const letter of world.letters.flat()) {
    const matches = isMatch(world.spec.filter, { ...letter, headerOf: () => letter.tenant })
    if (matches && !letter.wasLeased && !moved.has(letter)) throw new Error(`${letter.offset} was left behind`)
  }
  for (const { letters } of world.target) {
    for (const partition of world.letters.keys()) {
      const origins = letters.filter(letter => letter.partition === partition && !letter.wasLeased)
        .map(({ originOffset }) => originOffset)
      if (origins.some((origin, index) => index > 0 && origins[index - 1]! > origin)) throw new Error('out of order')
    }
  }
}

const letterArbitrary = fc.record({
  lane: fc.nat(2), reason: fc.constantFrom(4, 5, 7), originOffset: fc.nat(40), tenant: fc.constantFrom('a', 'b'),
})
const partitionsArbitrary = fc.array(fc.array(letterArbitrary, { maxLength: 12 }), { minLength: 1, maxLength: 3 })
  .map(partitions => partitions.map((letters, partition) => letters.map((more, offset) =>
    letterOf(partition, offset, more as Partial<Letter>))))
const specArbitrary = fc.record({
  recordsPerSecond: fc.constantFrom(0, 0, 7, 1_000),
  limit: fc.constantFrom(0, 0, 5),
  filter: fc.constantFrom(EVERYTHING, { ...EVERYTHING, reasons: [5 as const] }, { ...EVERYTHING, lane: 1 },
    { ...EVERYTHING, headerName: 'tenant', headerValue: 'b' }, { ...EVERYTHING, fromMs: 2, toMs: 8 }),
})
const stepsArbitrary = fc.array(fc.tuple(fc.constantFrom(...OUTCOMES, 'consume' as const), fc.nat(50), fc.boolean()),
  { maxLength: 80, size: 'max' })

/** Plays a life; `spoil` may break the world after each step. */
function live (
  letters: Letter[][], spec: Partial<RedriveSpec>, steps: readonly (readonly [Outcome | 'consume', number, boolean])[],
  spoil: (world: RedriveWorld) => void = () => {},
): RedriveWorld {
  const copies = letters.map(held => held.map(letter => ({ ...letter })))
  const world = new RedriveWorld(copies, spec, spec.limit === 5 ? 4 : 1_000)
  for (const [kind, index, settles] of steps) {
    spoil(world)
    if (world.job.isEnded) break
    if (kind === 'consume') world.consume(index, index >> 1, settles)
    else world.step(kind)
  }
  world.finish()
  return world
}

t.test('Redrive: each letter that matches is moved once and in order, whatever fails or crashes (property)', async () => {
  fc.assert(fc.property(partitionsArbitrary, specArbitrary, stepsArbitrary, (letters, spec, steps) => {
    const world = live(letters, spec, steps)
    checkMoved(world)
    if (spec.limit === 0) checkComplete(world)
    if (world.job.status.state !== done) throw new Error('not done')
  }), { seed: 4, numRuns: 1_500 })
})

t.test('Redrive mutants: found (no chunk stored, a target that forgets)', async t => {
  const isFound = (spoil: (world: RedriveWorld) => void): boolean => fc.check(
    fc.property(partitionsArbitrary, stepsArbitrary, (letters, steps) => {
      const world = live(letters, {}, steps, spoil)
      checkMoved(world)
      checkComplete(world)
    }), { seed: 4, numRuns: 1_000, endOnFailure: true }).failed
  t.notOk(isFound(() => {}), 'nothing without one')
  t.ok(isFound(world => { for (const partition of world.target) partition.highest = 0 }), 'a target that forgets')
  t.ok(isFound(world => {
    if (world.record === null) return
    const { spec, progress } = decodeRedrive(world.record)
    if (progress.chunk.length > 0) world.record = encodeWithoutChunk(spec, progress)
  }), 'no chunk stored')
})

function encodeWithoutChunk (...[spec, progress]: Parameters<typeof encodeRedrive>): Uint8Array {
  return encodeRedrive(spec, { ...progress, chunk: [] })
}

t.test('Redrive: a dry run counts and moves nothing', async t => {
  const letters = lettersOf(5, 4)
  letters[1]![2] = letterOf(1, 2, { reason: 7 })
  const world = new RedriveWorld(letters, { dryRun: true, filter: { ...EVERYTHING, reasons: [5] } })
  world.step('done')
  world.step('done')
  world.crash()
  world.finish()
  t.match(world.job.status, { state: done, examined: 9, matched: 8, moved: 0 })
  t.same(world.moved, [])
  t.ok(letters.flat().every(({ state }) => state === 'waiting'))
})

t.test('Redrive: records come in the order they had in their log, not in that of their deaths', async t => {
  const letters = [[30, 10, 20, 10].map((originOffset, offset) => letterOf(0, offset, { originOffset }))]
  const world = new RedriveWorld(letters)
  world.finish()
  t.same(offsetsOf(world.moved), [1, 3, 2, 0])
})

t.test('Redrive: beyond a window of letters the order is that within each', async t => {
  const letters = [[9, 8, 7, 6, 5].map((originOffset, offset) => letterOf(0, offset, { originOffset }))]
  const world = new RedriveWorld(letters, {}, 2)
  world.finish()
  t.same(offsetsOf(world.moved), [1, 0, 3, 2, 4])
})

t.test('Redrive: goes no faster than its rate', async t => {
  const world = new RedriveWorld(lettersOf(100), { recordsPerSecond: 50 })
  world.finish()
  t.equal(world.moved.length, 100)
  let count = 0
  for (const append of world.appends) {
    t.ok(count <= append.atMs * 50 / 1_000 + 1, `${count} before ${append.atMs} ms`)
    count += append.count
  }
  t.ok(world.monotonicMs >= 1_900 && world.monotonicMs <= 2_100, `${world.monotonicMs} ms`)
})

t.test('Redrive: a limit counts what is moved, and looks for others where a consumer was first', async t => {
  const letters = lettersOf(6)
  const world = new RedriveWorld(letters, { limit: 3 })
  while (world.moved.length === 0) {
    if (letters[0]![1]!.state === 'waiting' && world.job.status.matched === 3) letters[0]![1]!.state = 'leased'
    world.step('done')
  }
  world.finish()
  t.same(offsetsOf(world.moved), [0, 2, 3])
})

t.test('Redrive: cancelled it ends with what it has begun, and stays so', async t => {
  const world = new RedriveWorld(lettersOf(100), { recordsPerSecond: 50 })
  while (world.moved.length < 10) world.step('done')
  world.job.cancel()
  world.finish()
  checkMoved(world)
  t.match(world.job.status, { state: cancelled, moved: 10 })
  t.ok(world.job.status.endedMs > 0)
  world.crash()
  t.ok(world.job.isEnded)
  t.match(world.job.status, { state: cancelled, moved: 10, matched: 100 })
  const stuck = new RedriveWorld(lettersOf(3))
  stuck.step('done')
  stuck.step('failed')
  stuck.job.cancel()
  stuck.finish()
  t.match(stuck.job.status, { state: cancelled, moved: 0 })
})

t.test('Redrive: what cannot succeed ends the job, with the reason', async t => {
  const world = new RedriveWorld(lettersOf(3))
  for (let count = 0; count < 3; count++) world.step('done')
  world.job.onFailed('the target is deleted', true)
  world.finish()
  t.match(world.job.status, { state: failed, message: 'the target is deleted', moved: 0 })
  t.equal(world.job.nextDueMs, Infinity)
})

t.test('Redrive: letters whose target goes stay in their queue, the rest of their chunk is moved once (also over a crash)', async t => {
  for (const outcome of ['done', 'crashAfter', 'crashHalfway'] as const) {
    const letters = lettersOf(4)
    letters[0]![1] = letterOf(0, 1, { lane: 1 })
    const world = new RedriveWorld(letters)
    world.gone.add(1)
    while (world.appends.length === 0) {
      const { phase } = world.job as unknown as { phase: string }
      world.step(phase === 'appending' ? outcome : 'done')
    }
    world.finish()
    t.match(world.job.status, { state: failed, message: 'the target is gone', moved: 3 }, outcome)
    t.same(offsetsOf(world.moved).sort(), [0, 2, 3])
    t.same(letters[0]!.map(({ state }) => state), ['settled', 'waiting', 'settled', 'settled'])
  }
})

t.test('Redrive: what fails is asked for again, later and later', async t => {
  const world = new RedriveWorld(lettersOf(1))
  const waits: number[] = []
  for (let count = 0; count < 12; count++) {
    world.step('failed')
    waits.push(world.job.nextDueMs - world.monotonicMs)
    world.pass()
  }
  t.same(waits.slice(0, 3), [100, 200, 400])
  t.equal(waits.at(-1), 30_000)
  t.equal(world.job.status.state, running)
})

t.test('Redrive: letters that were gone are not counted as moved, and cost no other its place', async t => {
  const world = new RedriveWorld(lettersOf(4), { recordsPerSecond: 20 })
  const { append } = world
  let isFirst = true
  world.append = (partition, moves) => {
    const isGone = isFirst
    isFirst = false
    append.call(world, partition, isGone ? moves.slice(1) : moves)
    if (isGone) world.job.onAppended = missing => RedriveJob.prototype.onAppended.call(world.job, (missing ?? 0) + 1)
    else Reflect.deleteProperty(world.job, 'onAppended')
  }
  world.finish()
  t.same(offsetsOf(world.moved), [1, 2, 3])
  t.match(world.job.status, { state: done, matched: 4, moved: 3 })
})

t.test('Redrive: its record is read back whole, or refused', async t => {
  const world = new RedriveWorld(lettersOf(3), {
    filter: { lane: 7, reasons: [4, 7], fromMs: 0, toMs: 9, headerName: 'tenant', headerValue: null },
  })
  world.step('done')
  t.same(decodeRedrive(world.record!).spec, world.spec)
  for (let size = 0; size < world.record!.length; size++) {
    t.throws(() => decodeRedrive(world.record!.subarray(0, size)), QueueStateFault)
  }
  t.throws(() => decodeRedrive(Uint8Array.of(99)), /version 99/)
  t.throws(() => decodeRedrive(Buffer.concat([world.record!, Buffer.alloc(1)])), /behind its end/)
})

t.test('Redrive: a filter lets through what meets all of it', async t => {
  const letter = { ...letterOf(0, 5, { lane: 2, diedMs: 100 }), headerOf: (name: string) => name === 'tenant' ? 'a' : null }
  const matches = (filter: Partial<RedriveSpec['filter']>): boolean => isMatch({ ...EVERYTHING, ...filter }, letter)
  t.ok(matches({}))
  t.ok(matches({ lane: 2, reasons: [4, 5], fromMs: 100, toMs: 101, headerName: 'tenant', headerValue: 'a' }))
  t.notOk(matches({ lane: 0 }))
  t.notOk(matches({ reasons: [4] }))
  t.notOk(matches({ fromMs: 101 }))
  t.notOk(matches({ toMs: 100 }))
  t.notOk(matches({ headerName: 'other' }))
  t.notOk(matches({ headerName: 'tenant', headerValue: 'b' }))
})
