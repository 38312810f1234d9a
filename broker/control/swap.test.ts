// A swap whose answers get lost: made once or not at all, and told which.

import { MemoryMetaStore } from '@sluice/storage/testing'
import t from 'tap'
import { rejectsWith } from './control-store-contract.js'
import { LossyControlStore } from './lossy-control-store.test.double.js'
import { swap } from './swap.js'

function newStore (): LossyControlStore {
  return new LossyControlStore(new MemoryMetaStore())
}

const isMine = (value: unknown): boolean => value === 'mine'

t.test('swap: an answer that was lost is found out by what is there', async t => {
  const control = newStore()
  control.losses = ['answer']
  const revision = await swap(control, '/a', 'mine', 0, isMine)
  t.same(await control.get('/a'), { key: '/a', value: 'mine', revision })
  t.equal(control.commitCount, 1, 'nothing is sent twice that was made')
})

t.test('swap: a request that was lost is made again', async t => {
  const control = newStore()
  control.losses = ['request', 'request']
  t.ok(await swap(control, '/a', 'mine', 0, isMine))
  t.equal((await control.get('/a'))!.value, 'mine')
})

t.test('swap: a request that arrives late changes nothing after the second one', async t => {
  const control = newStore()
  const before = await control.commit([{ key: '/a', value: 'before' }])
  control.losses = ['late']
  const revision = await swap(control, '/a', 'mine', before!, isMine)
  await control.arrive()
  t.equal((await control.get('/a'))!.revision, revision)
})

t.test('swap: somebody else was faster, whether the answer comes or not', async t => {
  const control = newStore()
  const before = await control.commit([{ key: '/a', value: 'before' }])
  await control.commit([{ key: '/a', value: 'theirs' }])
  t.equal(await swap(control, '/a', 'mine', before!, isMine), null)
  control.losses = ['request']
  t.equal(await swap(control, '/a', 'mine', before!, isMine), null)
  t.equal((await control.get('/a'))!.value, 'theirs')
})

t.test('swap: a deletion is made where nothing is there any more', async t => {
  const control = newStore()
  const before = await control.commit([{ key: '/a', value: 'before' }])
  control.losses = ['answer']
  t.ok(await swap(control, '/a', null, before!, isMine))
  t.equal(await control.get('/a'), null)
})

t.test('swap: rejects where no answer comes at all', async t => {
  const control = newStore()
  control.losses = ['request', 'request', 'request', 'request']
  await rejectsWith(t, 'ambiguous', swap(control, '/a', 'mine', 0, isMine))
})
