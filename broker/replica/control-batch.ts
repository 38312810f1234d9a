// The batches that brokers write for each other. The first of each epoch says that it begins: once it is on a majority,
// everything before it is committed. A forced recovery writes what it cut into the same batch.
//
//   key 'epoch-start'   value JSON { epoch, leader, timestampMs }
//   key 'data-loss'     value JSON { lossEpoch, cutOffset }         only where a majority was given up

import { BATCH_FLAG, RecordBatchBuilder, RecordReader } from '@sluice/protocol'

/** What a forced recovery may have lost: everything that was acknowledged from `cutOffset` on, under earlier epochs. */
export interface DataLoss { readonly lossEpoch: number, readonly cutOffset: number }

export interface EpochStartRecord { readonly epoch: number, readonly leader: number, readonly timestampMs: number }

export interface ControlRecords { readonly epochStart: EpochStartRecord | null, readonly dataLoss: DataLoss | null }

export function epochStartBatch (start: EpochStartRecord, loss: DataLoss | null): Buffer {
  const builder = new RecordBatchBuilder(256)
  builder.append('epoch-start', JSON.stringify(start), start.timestampMs)
  if (loss !== null) builder.append('data-loss', JSON.stringify(loss), start.timestampMs)
  return builder.build({ flags: BATCH_FLAG.control })
}

/** What a control batch says; nothing where its records are of a later version. */
export function readControlBatch (batch: Buffer): ControlRecords {
  let epochStart: EpochStartRecord | null = null
  let dataLoss: DataLoss | null = null
  const reader = new RecordReader().open(batch)
  while (reader.next()) {
    const key = reader.key?.toString()
    if (key === 'epoch-start') epochStart = JSON.parse(reader.value!.toString()) as EpochStartRecord
    else if (key === 'data-loss') dataLoss = JSON.parse(reader.value!.toString()) as DataLoss
  }
  return { epochStart, dataLoss }
}
