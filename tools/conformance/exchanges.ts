// The two exchanges that most dialogues are made of: producing batches and fetching them.

import type { FetchRequest, FetchResponse, ProduceRequest, ProduceResult } from '@sluice/protocol'
import { batchesOf, offsetAfter, type FetchedBatch } from './batches.js'
import { Deviation, expectEqual } from './deviation.js'
import type { RawConnection } from './raw-connection.js'

/** A batch and where it is to go. */
export interface Post { batch: Buffer, topicId: string, partition?: number }

/** A produce request for batches that stand in the payload in this order. */
export function produceFields (posts: readonly Post[]): ProduceRequest {
  return {
    acks: 'quorum',
    timeoutMs: 30_000,
    batches: posts.map(({ batch, topicId, partition = 0 }) => ({ topicId, partition, size: batch.length })),
  }
}

/** Sends batches in one request; returns their results. */
export async function produce (connection: RawConnection, posts: readonly Post[]): Promise<ProduceResult[]> {
  const payload = Buffer.concat(posts.map(({ batch }) => batch))
  const { results } = await connection.tell('produce', produceFields(posts), { payload })
  expectEqual(results.length, posts.length, 'number of results')
  return results
}

/** A fetch request for one partition. */
export function fetchFields (
  topicId: string, offset: number, more: { maxWaitMs?: number, maxBytes?: number, partition?: number } = {},
): FetchRequest {
  const { maxWaitMs = 0, maxBytes = 1_048_576, partition = 0 } = more
  return { maxWaitMs, minBytes: 1, maxBytes, partitions: [{ topicId, partition, offset, lastEpoch: -1, maxBytes }] }
}

/**
 * Fetches from an offset on.
 *
 * @param more.enough the batches must reach this offset: the fetch waits until the first of them is there.
 */
export async function fetchFrom (
  connection: RawConnection, topicId: string, offset: number, more: { enough?: number, maxBytes?: number } = {},
): Promise<{ response: FetchResponse, payload: Buffer, batches: FetchedBatch[] }> {
  const fields = fetchFields(topicId, offset, { maxWaitMs: more.enough === undefined ? 0 : 5_000, ...more })
  const response = await connection.tell('fetch', fields, { unordered: true })
  const batches = batchesOf(response.partitions, response.payload)
  if (more.enough !== undefined) {
    const after = offsetAfter(batches, offset)
    if (after < more.enough) throw new Deviation(`records up to offset ${more.enough}`, `records up to ${after}`)
  }
  return { response, payload: response.payload, batches }
}
