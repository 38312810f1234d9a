import t from 'tap'
import { BATCH_FLAG, checkBatchBody, checkNewBatch, readBatchHeader, RecordBatchBuilder } from '@sluice/protocol'
import { epochStartBatch, readControlBatch } from './control-batch.js'

t.test('Control batch: says which epoch begins, and what was lost with it', async t => {
  const epochStart = { epoch: 4, leader: 2, timestampMs: 1000 }
  const batch = epochStartBatch(epochStart, null)
  t.equal(checkBatchBody(batch), null)
  t.equal(readBatchHeader(batch).flags, BATCH_FLAG.control)
  t.same(readControlBatch(batch), { epochStart, dataLoss: null })
  const dataLoss = { lossEpoch: 4, cutOffset: 17 }
  t.same(readControlBatch(epochStartBatch(epochStart, dataLoss)), { epochStart, dataLoss })
})

t.test('Control batch: is refused from a client', async t => {
  const batch = epochStartBatch({ epoch: 4, leader: 2, timestampMs: 1000 }, null)
  t.equal(checkNewBatch(batch, 0, batch.length), 'fields')
})

t.test('Control batch: records of a later version are passed over', async t => {
  const builder = new RecordBatchBuilder()
  builder.append('something new', 'x', 1)
  builder.append(null, null, 1)
  t.same(readControlBatch(builder.build({ flags: BATCH_FLAG.control })), { epochStart: null, dataLoss: null })
})
