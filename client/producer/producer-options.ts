// Options of a producer, checked, with the defaults filled in.

import { codecAvailable, compressSync, CODEC_NAMES, type Acks, type CodecName } from '@sluice/protocol'
import { BrokerError } from '../broker-error.js'
import { choice, count, invalidOption } from '../client-options.js'
import type { OutRecord } from '../records.js'

/** Options of `topic.producer`. */
export interface ProducerOptions<K = Uint8Array, V = Uint8Array> {
  /**
   * When a record counts as sent: durable on a majority (`quorum`), on the leader, or never asked (`none`). Default
   * quorum.
   */
  acks?: Acks
  /** Each record once and in order per partition, whatever is retried. Default true, and false with acks `none`. */
  idempotent?: boolean
  /**
   * Time that a batch waits for company, in milliseconds, on top of the adaptive linger: what is sent while at most one
   * batch of its partition is in flight leaves at the end of the turn; what comes while two are goes together. Default
   * 0.
   */
  lingerMs?: number
  /** Size at which a batch is full, before compression, in bytes, 1 KiB to 64 MiB. Default 256 KiB. */
  batchBytes?: number
  /** Default none. lz4 needs the package lz4-napi, zstd Node 22.15. */
  compression?: CodecName
  /** Most bytes that wait to be acknowledged, 64 KiB or more. Default 32 MiB. */
  bufferBytes?: number
  /** What `send` does when that much waits. Default wait. */
  onFull?: 'wait' | 'throw'
  /** Time after which a record that could not be delivered fails, in milliseconds. Default 120,000. */
  deliveryTimeoutMs?: number
  /**
   * By default CRC-32C of the key modulo the partitions, and without a key one partition after the other, batch by
   * batch.
   */
  partitioner?: 'sticky-hash' | ((record: OutRecord<K, V>, partitions: number) => number)
}

/** Options with nothing left open. */
export interface ProducerSettings {
  readonly acks: Acks
  readonly idempotent: boolean
  readonly lingerMs: number
  readonly batchBytes: number
  readonly codec: CodecName
  readonly bufferBytes: number
  readonly onFull: 'wait' | 'throw'
  readonly deliveryTimeoutMs: number
}

const KIB = 1024
const MIB = 1024 * KIB

/** @throws BrokerError INVALID naming the option; UNSUPPORTED for a codec that is not available here. */
export function resolveProducerOptions<K, V> (options: ProducerOptions<K, V>): ProducerSettings {
  const acks = choice('acks', options.acks, 'quorum', ['none', 'leader', 'quorum'])
  if (acks === 'none' && options.idempotent === true) {
    throw invalidOption('idempotent', "false or left out with acks 'none', which cannot tell what arrived", true)
  }
  const codec = choice('compression', options.compression, 'none', CODEC_NAMES)
  if (!codecAvailable(codec)) {
    throw new BrokerError('UNSUPPORTED', reasonOf(codec))
  }
  const { partitioner } = options
  if (partitioner !== undefined && partitioner !== 'sticky-hash' && typeof partitioner !== 'function') {
    throw invalidOption('partitioner', "'sticky-hash' or a function", partitioner)
  }
  return {
    acks,
    idempotent: options.idempotent ?? acks !== 'none',
    lingerMs: count('lingerMs', options.lingerMs, 0, 0),
    batchBytes: count('batchBytes', options.batchBytes, 256 * KIB, KIB, 64 * MIB),
    codec,
    bufferBytes: count('bufferBytes', options.bufferBytes, 32 * MIB, 64 * KIB),
    onFull: choice('onFull', options.onFull, 'wait', ['wait', 'throw']),
    deliveryTimeoutMs: count('deliveryTimeoutMs', options.deliveryTimeoutMs, 120_000, 1),
  }
}

/** Why a codec cannot be used here, in the words of the codec table. */
function reasonOf (codec: CodecName): string {
  try {
    compressSync(codec, Buffer.alloc(0))
    return `compression ${codec} is not available here`
  } catch (error) {
    return (error as Error).message
  }
}
