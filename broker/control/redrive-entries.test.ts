// Redrives in the control store: the latest state counts, whatever got lost on the way, and whoever else writes.

import { MemoryMetaStore } from '@sluice/storage/testing'
import t from 'tap'
import { LossyControlStore } from './lossy-control-store.test.double.js'
import { RedriveEntries, type RedriveEntry } from './redrive-entries.js'

function state (step: number): RedriveEntry {
  const marks = [{ topicId: 't', partition: 0, offset: step }]
  return { record: `step ${step}`, partitions: [], marks, brokerId: 1, term: 1, pauseMs: 0 }
}

async function open (control: LossyControlStore): Promise<RedriveEntries> {
  const entries = new RedriveEntries(control)
  await entries.open()
  return entries
}

async function stored (control: LossyControlStore): Promise<RedriveEntry[]> {
  return (await open(control)).all().map(({ entry }) => entry)
}

t.test('RedriveEntries: what is saved is there after a restart, and goes on from there', async t => {
  const control = new LossyControlStore(new MemoryMetaStore())
  const before = await open(control)
  const first = await before.save('a', state(1), 0)
  await before.save('a', state(2), first!)
  const other = await before.save('b', state(1), 0)
  await before.save('b', null, other!)
  const after = await open(control)
  t.match(after.all(), [{ redriveId: 'a', entry: state(2) }])
  const { revision } = after.find('a')!
  const third = await after.save('a', state(3), revision)
  t.match(after.find('a'), { entry: state(3), revision: third! })
  await after.save('a', null, third!)
  t.equal(after.find('a'), undefined)
  t.same(await stored(control), [])
})

t.test('RedriveEntries: a state that arrives late, or comes from who does not know the latest, does not count', async t => {
  const control = new LossyControlStore(new MemoryMetaStore())
  const [entries, others] = [await open(control), await open(control)]
  const first = await entries.save('a', state(1), 0)
  // Given up on three times, and then the first of them is made after all.
  control.losses = ['request', 'request', 'late']
  await t.rejects(entries.save('a', state(2), first!), { fault: 'ambiguous' } as unknown as Error)
  const third = await others.save('a', state(3), first!)
  await control.arrive()
  t.equal(await entries.save('a', state(4), first!), null)
  t.same(await stored(control), [state(3)])
  t.match(entries.find('a'), { revision: third! }, 'and everybody hears of it')
})

t.test('RedriveEntries: a write that was made although nobody could tell shows with the next one', async t => {
  const control = new LossyControlStore(new MemoryMetaStore())
  const entries = await open(control)
  control.losses = ['request', 'request', 'late']
  await t.rejects(entries.save('a', state(1), 0), { fault: 'ambiguous' } as unknown as Error)
  await control.arrive()
  t.equal(await entries.save('a', state(2), 0), null, 'something is there')
  await entries.refresh()
  const { revision } = entries.find('a')!
  control.losses = ['answer']
  const made = await entries.save('a', state(2), revision)
  t.ok(made! > revision, 'an answer that is lost is found out')
  t.same(await stored(control), [state(2)])
})

t.test('RedriveEntries: a cancellation reaches who runs the job, and goes when it is over', async t => {
  const control = new LossyControlStore(new MemoryMetaStore())
  const [asked, runs] = [await open(control), await open(control)]
  let changes = 0
  runs.onChange = () => { changes++ }
  t.notOk(runs.isCancelled('a'))
  await asked.cancel('a')
  await asked.cancel('a')
  t.ok(asked.isCancelled('a'))
  t.ok(runs.isCancelled('a'))
  t.ok(changes > 0)
  await runs.forgetCancel('a')
  t.notOk(asked.isCancelled('a'))
  runs.close()
  await asked.cancel('b')
  t.equal((await open(control)).isCancelled('b'), true)
})

t.test('RedriveEntries: what makes no sense is passed over', async t => {
  const control = new LossyControlStore(new MemoryMetaStore())
  const { marks: [mark] } = state(1)
  const odd = [7, null, 'text', [], { ...state(1), record: 1 }, { ...state(1), term: 'x' }, { ...state(1), pauseMs: -1 },
    { ...state(1), marks: [{ ...mark, offset: 0.5 }] }, { ...state(1), marks: [7] }, { ...state(1), partitions: ['a'] }]
  for (const [index, value] of odd.entries()) {
    if (value !== null) await control.commit([{ key: `/redrives/odd-${index}`, value }])
  }
  t.same(await stored(control), [])
})
