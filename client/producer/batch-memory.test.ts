import t from 'tap'
import { BatchMemory } from './batch-memory.js'
import { OutgoingBatch } from './outgoing-batch.js'

const BATCH_BYTES = 16 * 1024

/** A batch of so many records of 1,000 bytes, built and sent `attempts` times. */
function sent (memory: BatchMemory, recordCount: number, attempts = 1): OutgoingBatch {
  const builder = memory.builder(BATCH_BYTES)
  const batch = new OutgoingBatch(builder, 0)
  for (; batch.recordCount < recordCount; batch.recordCount++) builder.append(null, Buffer.alloc(1_000), 0)
  memory.giveBuilder(batch.seal('none', undefined), batch.bytes!)
  batch.attempts = attempts
  return batch
}

/** Records that fill a batch. */
const FULL = 16

t.test('BatchMemory: the memory of an acknowledged batch is that of the next one', async t => {
  const memory = new BatchMemory(4 * BATCH_BYTES)
  const first = sent(memory, FULL)
  t.not(sent(memory, FULL).bytes!.buffer, first.bytes!.buffer, 'not before it is acknowledged')
  memory.giveBytes(first, BATCH_BYTES)
  t.equal(sent(memory, FULL).bytes!.buffer, first.bytes!.buffer)
  t.not(sent(memory, FULL).bytes!.buffer, first.bytes!.buffer, 'once')
})

t.test('BatchMemory: a batch that was sent twice keeps its bytes: a socket may hold them still', async t => {
  const memory = new BatchMemory(4 * BATCH_BYTES)
  const first = sent(memory, FULL, 2)
  memory.giveBytes(first, BATCH_BYTES)
  t.not(sent(memory, FULL).bytes!.buffer, first.bytes!.buffer)
})

t.test('BatchMemory: memory that is small, or larger than a batch needs, is let go', async t => {
  const memory = new BatchMemory(100 * BATCH_BYTES)
  for (const recordCount of [1, FULL * 3]) {
    const odd = sent(memory, recordCount)
    memory.giveBytes(odd, BATCH_BYTES)
    t.not(sent(memory, 1).bytes!.buffer, odd.bytes!.buffer)
  }
})

t.test('BatchMemory: what lies ready is bounded, and less while nothing is on its way', async t => {
  const memory = new BatchMemory(5 * (BATCH_BYTES + 1024))
  for (const [rests, expected] of [[false, 5], [true, 2]] as const) {
    const before = Array.from({ length: 10 }, () => sent(memory, FULL))
    for (const batch of before) memory.giveBytes(batch, BATCH_BYTES)
    if (rests) memory.rest()
    const buffers = new Set(before.map(({ bytes }) => bytes!.buffer))
    const after = Array.from({ length: 10 }, () => sent(memory, FULL))
    t.equal(after.filter(({ bytes }) => buffers.has(bytes!.buffer)).length, expected)
  }
})
