// Redrives in the control store: the latest state counts, whatever got lost on the way.

import { MemoryMetaStore } from '@sluice/storage/testing'
import t from 'tap'
import { LossyControlStore } from './lossy-control-store.test.double.js'
import { RedriveEntries, type RedriveEntry } from './redrive-entries.js'

function state (step: number): RedriveEntry {
  return { record: `step ${step}`, partitions: [], marks: [{ topicId: 't', partition: 0, offset: step }] }
}

t.test('RedriveEntries: what is saved is there after a restart, and goes on from there', async t => {
  const control = new LossyControlStore(new MemoryMetaStore())
  const before = new RedriveEntries(control)
  await before.save('a', state(1))
  await before.save('a', state(2))
  await before.save('b', state(1))
  await before.remove('b')
  const after = new RedriveEntries(control)
  t.same(await after.load(), [state(2)])
  await after.save('a', state(3))
  await after.remove('a')
  await after.remove('never there')
  t.same(await new RedriveEntries(control).load(), [])
})

t.test('RedriveEntries: a state that arrives late does not undo a later one', async t => {
  const control = new LossyControlStore(new MemoryMetaStore())
  const entries = new RedriveEntries(control)
  await entries.save('a', state(1))
  // Given up on three times, and then the first of them is made after all.
  control.losses = ['request', 'request', 'late']
  await t.rejects(entries.save('a', state(2)), { fault: 'ambiguous' } as unknown as Error)
  await entries.save('a', state(3))
  await control.arrive()
  t.same(await new RedriveEntries(control).load(), [state(3)])
})

t.test('RedriveEntries: a write that was made although nobody could tell does not stop the next one', async t => {
  const control = new LossyControlStore(new MemoryMetaStore())
  const entries = new RedriveEntries(control)
  control.losses = ['request', 'request', 'late']
  await t.rejects(entries.save('a', state(1)), { fault: 'ambiguous' } as unknown as Error)
  await control.arrive()
  await entries.save('a', state(2))
  t.same(await new RedriveEntries(control).load(), [state(2)])
  control.losses = ['answer']
  await entries.remove('a')
  t.same(await new RedriveEntries(control).load(), [])
})
