// Crashes of the whole log: before every single change to the disk, and at random, against a model.

import fc from 'fast-check'
import t, { type Test } from 'tap'
import { readBatchHeader } from '@sluice/protocol'
import { LOG_ID, makeBatch, SMALL, TestMachine } from './log.fixture.js'
import type { LogConfig } from './log-types.js'
import type { PartitionLog } from './partition-log.js'

const CONFIG: LogConfig = { ...SMALL, segmentBytes: 4096 + 600, indexIntervalBytes: 200 }

/** What a user of the log relies on. */
class Model {
  /** The producer's bytes of each batch appended, by base offset. */
  readonly appended = new Map<number, Buffer>()
  acknowledgedOffset = 0
  startOffset = 0

  append (log: PartitionLog, name: string, count: number): void {
    const batch = makeBatch(name, count, 1000, 20)
    this.appended.set(log.append(batch, 1, log.durableOffset), batch)
  }

  /** Notes what the log promises now. */
  note (log: PartitionLog): void {
    this.acknowledgedOffset = Math.max(this.acknowledgedOffset, log.acknowledgedOffset)
  }

  /** After a restart: all that was acknowledged is there, and all that is there is what was appended. */
  async check (t: Test, log: PartitionLog, label: string): Promise<void> {
    const problems: string[] = []
    if (log.nextOffset < this.acknowledgedOffset) problems.push(`ends at ${log.nextOffset}`)
    if (log.quarantined.length > 0) problems.push(`quarantined ${JSON.stringify(log.quarantined)}`)
    if (log.logStartOffset < this.startOffset) problems.push(`starts at ${log.logStartOffset}`)
    let expected = -1
    await log.replay(0, (batch) => {
      const { baseOffset, lastOffsetDelta } = readBatchHeader(batch)
      if (expected >= 0 && baseOffset !== expected) problems.push(`${baseOffset} follows ${expected}`)
      const known = this.appended.get(baseOffset)
      if (known === undefined || !known.subarray(32).equals(batch.subarray(32))) problems.push(`bytes at ${baseOffset}`)
      expected = baseOffset + lastOffsetDelta + 1
    })
    if (log.nextOffset > log.logStartOffset && expected !== log.nextOffset) problems.push(`readable to ${expected}`)
    t.same(problems, [], label)
    for (const offset of [...this.appended.keys()]) if (offset >= log.nextOffset) this.appended.delete(offset)
    this.acknowledgedOffset = Math.max(this.acknowledgedOffset, log.nextOffset)
  }
}

type Scenario = (log: PartitionLog, model: Model, machine: TestMachine) => Promise<void>

const SCENARIOS: Record<string, Scenario> = {
  'append and roll': async (log, model) => {
    for (let index = 0; index < 14; index++) {
      model.append(log, `b${index}`, 1 + index % 2)
      if (index % 3 === 0) {
        await log.flush()
        model.note(log)
      }
    }
    await log.flush()
    model.note(log)
  },
  retention: async (log, model, machine) => {
    await SCENARIOS['append and roll']!(log, model, machine)
    log.configure({ ...CONFIG, retentionBytes: 500 })
    await log.applyRetention()
    machine.time.advance(10_000)
    log.configure({ ...CONFIG, retentionMs: 5_000 })
    await log.applyRetention()
    model.append(log, 'after', 1)
    await log.flush()
    model.note(log)
  },
  'delete-records': async (log, model, machine) => {
    await SCENARIOS['append and roll']!(log, model, machine)
    for (const offset of [3, 9, log.durableOffset]) {
      await log.setStartOffset(offset)
      model.startOffset = offset
      await log.applyRetention()
    }
    model.append(log, 'after', 1)
    await log.flush()
    model.note(log)
  },
}

for (const [name, scenario] of Object.entries(SCENARIOS)) {
  for (const crash of ['kill', 'power cut', 'power cut, disk as bad as may be'] as const) {
    t.test(`Crash: before each change to the disk in turn (${name}, ${crash})`, async t => {
      for (let step = 1; ; step++) {
        const machine = new TestMachine({ checkpointIntervalMs: 1 })
        await machine.start()
        const model = new Model()
        const log = await machine.open(CONFIG)
        const crashed = await machine.disk.crashDuring(step, async () => {
          await scenario(log, model, machine)
          await machine.store.close()
        })
        model.note(log)
        if (crash === 'kill') machine.kill()
        else machine.powerCut(crash === 'power cut' ? {} : { keep: 'none', names: 'none', inFlight: 'lost' })
        await machine.start(!crashed)
        const again = await machine.open(CONFIG)
        await model.check(t, again, `step ${step}`)
        model.append(again, 'next', 1)
        await again.flush()
        model.note(again)
        machine.kill()
        await machine.start(false)
        await model.check(t, await machine.open(CONFIG), `step ${step}, once more`)
        if (!crashed) break
      }
    })
  }
}

t.test('Crash: truncation before each change to the disk in turn leaves the old log or the cut one', async t => {
  for (let step = 1; ; step++) {
    const machine = new TestMachine()
    await machine.start()
    const model = new Model()
    const log = await machine.open(CONFIG)
    await SCENARIOS['append and roll']!(log, model, machine)
    model.acknowledgedOffset = 4
    const crashed = await machine.disk.crashDuring(step, () => log.truncateTo(5))
    machine.powerCut()
    await machine.start(false)
    const again = await machine.open(CONFIG)
    await model.check(t, again, `step ${step}`)
    await again.truncateTo(5)
    t.equal(again.nextOffset, 4, 'the border at or below the offset')
    if (!crashed) break
  }
})

type Step = { kind: 'append', count: number } | { kind: 'flush' | 'tick' | 'kill' | 'powerCut' | 'restart' | 'wipe' }

const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('append' as const), count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 4, arbitrary: fc.constant({ kind: 'flush' as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'tick' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'kill' as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'powerCut' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'wipe' as const }) })

for (const preallocateBytes of [0, 4096]) {
  t.test(`Crash: any history of appends and stops keeps what was acknowledged (${preallocateBytes} bytes ahead)`, async t => {
    await fc.assert(fc.asyncProperty(
      fc.array(stepArbitrary, { maxLength: 60 }), fc.integer(), async (steps, seed) => {
        const random = xorshift(seed)
        const machine = new TestMachine({ preallocateBytes }, { random })
        await machine.start()
        const model = new Model()
        let log = await machine.open(CONFIG)
        for (const [index, step] of steps.entries()) {
          if (step.kind === 'append') model.append(log, `s${index}`, step.count)
          else if (step.kind === 'flush') await log.flush()
          else if (step.kind === 'tick') await turns(Math.floor(random() * 6), () => machine.time.advance(500))
          else log = await stop(t, machine, model, log, step.kind)
          model.note(log)
        }
        await stop(t, machine, model, log, 'restart')
        if (!t.passing()) throw new Error('see above')
      }), { numRuns: 150, seed: 7 })
  })
}

async function stop (
  t: Test, machine: TestMachine, model: Model, log: PartitionLog, kind: Step['kind']
): Promise<PartitionLog> {
  model.note(log)
  if (kind === 'restart') {
    await machine.store.close()
    model.note(log)
  } else if (kind === 'powerCut') {
    machine.powerCut()
  } else {
    machine.kill()
  }
  if (kind === 'wipe') machine.meta.wipe()
  await machine.start(kind === 'restart')
  const again = await machine.store.openLog(LOG_ID, CONFIG)
  await model.check(t, again, kind)
  return again
}

async function turns (count: number, each: () => void): Promise<void> {
  for (let turn = 0; turn < count; turn++) {
    each()
    await new Promise<void>(resolve => { setImmediate(resolve) })
  }
}

/** Numbers in [0, 1), the same ones for a seed. */
function xorshift (seed: number): () => number {
  let state = (seed | 0) || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 0x100000000
  }
}
