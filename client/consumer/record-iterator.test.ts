import t from 'tap'
import { deferred } from '../waiting.js'
import { RecordIterator, type RecordSource } from './record-iterator.js'

/** Gives what was put into it, and notes what it is told. */
class Source implements RecordSource<number> {
  readonly told: string[] = []
  ended = false
  private readonly records: (number | Error)[] = []
  private waiter = deferred()

  put (...records: (number | Error)[]): void {
    this.records.push(...records)
    this.wake()
  }

  end (): void {
    this.ended = true
    this.wake()
  }

  take (): number | null | undefined {
    const record = this.records.shift()
    if (record instanceof Error) throw record
    return record ?? (this.ended ? undefined : null)
  }

  async wait (): Promise<void> {
    await this.waiter.promise
    this.waiter = deferred()
  }

  onDone (record: number): void { this.told.push(`done ${record}`) }

  onReturn (record: number | null): void { this.told.push(`return ${record}`) }

  private wake (): void { this.waiter.resolve() }
}

const ended = { done: true, value: undefined }
const given = (value: number): object => ({ done: false, value })

t.test('RecordIterator: a record is done when the next one is asked for, not when the loop is left', async t => {
  const source = new Source()
  source.put(1, 2, 3)
  for await (const record of new RecordIterator(source)) if (record === 2) break
  t.same(source.told, ['done 1', 'return 2'])
})

t.test('RecordIterator: it waits where there is nothing, and ends with its source', async t => {
  const source = new Source()
  const seen: number[] = []
  const reading = (async () => { for await (const record of new RecordIterator(source)) seen.push(record) })()
  await new Promise(resolve => { setImmediate(resolve) })
  source.put(1)
  await new Promise(resolve => { setImmediate(resolve) })
  t.same(seen, [1])
  source.put(2)
  source.end()
  await reading
  t.same(seen, [1, 2])
  t.same(source.told, ['done 1', 'done 2'])
})

t.test('RecordIterator: calls are answered in their order, however many wait', async t => {
  const source = new Source()
  const iterator = new RecordIterator(source)
  const answers = Array.from({ length: 4 }, () => iterator.next())
  const failed = t.rejects(answers[2]!, { message: 'second' })
  source.put(10, 11)
  t.same(await Promise.all(answers.slice(0, 2)), [given(10), given(11)])
  source.put(new Error('second'), 12)
  await failed
  t.same(await answers[3], given(12), 'an error does not end it by itself')
  source.end()
  t.same(await iterator.next(), ended)
  t.same(source.told, ['done 10', 'done 11', 'done 12'])
})

t.test('RecordIterator: after return there is nothing more, also for a call that waits', async t => {
  const source = new Source()
  const iterator = new RecordIterator(source)
  const waiting = iterator.next()
  t.same(await iterator.return(), ended)
  source.put(1)
  t.same(await waiting, ended)
  t.same(await iterator.next(), ended)
  await iterator.return()
  t.same(source.told, ['return null'], 'told once')
  await t.rejects(new RecordIterator(source).throw(new Error('out')), { message: 'out' })
})

t.test('RecordIterator: an error of the source rejects', async t => {
  const source = new Source()
  source.put(new Error('damaged'))
  await t.rejects(new RecordIterator(source).next(), { message: 'damaged' })
})
