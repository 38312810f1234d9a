import t from 'tap'
import { ControlStoreError, type ControlChange, type ControlCompare, type ControlStore } from '../control/control-store.js'
import { failOver, firstRecord, type PartitionRecord } from '../replica/partition-record.js'
import { Activations } from './activations.js'
import { PARTITION_PREFIX } from './cluster-metadata.js'
import { Mirror } from '../control/mirror.js'

const MEMBERS = [1, 2, 3].map(brokerId => ({ brokerId, storeId: `s${brokerId}` }))

/** Records in a control store, and what this broker knows of them. */
class World {
  readonly stored = new Map<string, { value: unknown, revision: number }>()
  readonly mirror = new Mirror<PartitionRecord>(PARTITION_PREFIX)
  readonly commits: number[] = []
  readonly activations: Activations
  failures = 0
  private revision = 0

  constructor () {
    const control = { commit: this.commit.bind(this), get: this.get.bind(this) } as unknown as ControlStore
    this.activations = new Activations(control, this.mirror, () => 'n')
  }

  put (name: string, record: PartitionRecord, isKnown = true): void {
    const key = PARTITION_PREFIX + name
    this.stored.set(key, { value: record, revision: ++this.revision })
    if (isKnown) this.mirror.apply({ key, value: record, revision: this.revision })
  }

  private async commit (
    changes: readonly ControlChange[], compares: readonly ControlCompare[] = [],
  ): Promise<number | null> {
    this.commits.push(changes.length)
    if (this.failures-- > 0) throw new ControlStoreError('ambiguous', 'no answer')
    if (compares.some(({ key, revision }) => (this.stored.get(key)?.revision ?? 0) !== revision)) return null
    this.revision++
    for (const { key, value } of changes) this.stored.set(key, { value, revision: this.revision })
    return this.revision
  }

  private async get (key: string): Promise<unknown> {
    return this.stored.has(key) ? { key, ...this.stored.get(key) } : null
  }
}

function recordOf (): PartitionRecord {
  return firstRecord(MEMBERS, MEMBERS[0]!, 'i1', 'n')
}

t.test('Activations: a thousand that begin at once share transactions', async t => {
  const world = new World()
  for (let partition = 0; partition < 1_000; partition++) world.put(`t/${partition}`, recordOf())
  const notes = Array.from({ length: 1_000 }, (_, partition) => world.activations.note('t', partition, 1))
  t.ok((await Promise.all(notes)).every(record => record?.active === true))
  t.ok(world.commits.length <= 20, `${world.commits.length} transactions`)
  t.equal(world.mirror.get('t/999')?.active, true, 'it is known at once')
})

t.test('Activations: one that another change was faster than is told what there is, and holds up no other', async t => {
  const world = new World()
  for (const partition of [0, 1, 2]) world.put(`t/${partition}`, recordOf())
  world.put('t/1', failOver(recordOf(), MEMBERS[1]!, 'i2', 'n'), false)
  const [first, second, third] = await Promise.all([0, 1, 2].map(partition => world.activations.note('t', partition, 1)))
  t.match(first, { epoch: 1, active: true })
  t.match(second, { epoch: 2, active: false })
  t.match(third, { epoch: 1, active: true })
})

t.test('Activations: of an epoch that is over nothing is written (stale, unknown, noted already)', async t => {
  const world = new World()
  world.put('t/0', failOver(recordOf(), MEMBERS[1]!, 'i2', 'n'))
  t.match(await world.activations.note('t', 0, 1), { epoch: 2, active: false })
  t.equal(await world.activations.note('t', 7, 1), null)
  world.put('t/1', recordOf())
  await world.activations.note('t', 1, 1)
  const before = world.commits.length
  t.match(await world.activations.note('t', 1, 1), { epoch: 1, active: true })
  t.equal(world.commits.length, before)
})

t.test('Activations: asked for twice it is written once; what fails can be asked for again', async t => {
  const world = new World()
  world.put('t/0', recordOf())
  world.failures = 1
  const [first, second] = [world.activations.note('t', 0, 1), world.activations.note('t', 0, 1)]
  await t.rejects(first, { message: 'no answer' })
  await t.rejects(second, { message: 'no answer' })
  t.same(world.commits, [1])
  t.match(await world.activations.note('t', 0, 1), { active: true })
})
