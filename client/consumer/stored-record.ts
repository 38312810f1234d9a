// A record that was read: where its bytes lie, and what they mean once someone asks.

import { readHeaders, type RecordMemory, type RecordReader } from '@sluice/protocol'
import { BrokerError, reasonOf } from '../broker-error.js'
import type { InRecord } from '../records.js'
import { serializationError, type Serde } from '../serdes.js'

/** Options of `nack`. */
export interface NackOptions { delayMs?: number, reason?: string, deadLetter?: boolean }

/** What all records of one partition have in common. */
export interface RecordOrigin<K, V> {
  readonly topic: string
  readonly partition: number
  readonly key: Serde<K>
  readonly value: Serde<V>
  /** Aborted when the partition is no longer this reader's. */
  readonly signal: AbortSignal
  ack (record: StoredRecord<K, V>): void
  nack (record: StoredRecord<K, V>, options: NackOptions): void
}

const NOT_DECODED = Symbol('not decoded')

/** What few records have need of. */
interface Extras {
  headers: ReadonlyMap<string, Uint8Array> | null
  handlerSignal: AbortSignal | null
}

/** Makes what `subarray` of a Buffer makes, at half its cost, which is that of all the rest of a record. */
const ByteView = (Buffer as unknown as { [Symbol.species]: ByteViewConstructor })[Symbol.species]

type ByteViewConstructor = new (buffer: ArrayBufferLike, start: number, size: number) => Buffer

/**
 * See the head of this file. It keeps the answer that it came in alive, up to 1 MiB or so: keep what you need of it,
 * not the record, for long.
 */
export class StoredRecord<K, V> implements InRecord<K, V> {
  // Declared, not defined: defining each field before the constructor sets it would double the cost of a record. All
  // numbers are small integers, which V8 keeps in the object itself; larger ones would be objects of their own.
  declare attempt: number
  /** What it has in common with its neighbours. */
  declare readonly origin: RecordOrigin<K, V>
  declare private readonly memory: RecordMemory
  declare private readonly offsetDelta: number
  declare private readonly timestampDelta: number
  declare private readonly keyStart: number
  declare private readonly keyEnd: number
  declare private readonly valueStart: number
  declare private readonly valueEnd: number
  declare private readonly headersAt: number
  declare private readonly recordEnd: number
  declare private decodedKey: K | null | typeof NOT_DECODED
  declare private decodedValue: V | null | typeof NOT_DECODED
  declare private extras: Extras | null

  /** Takes the record that `reader` stands on. */
  constructor (origin: RecordOrigin<K, V>, reader: RecordReader) {
    this.attempt = 1
    this.origin = origin
    this.memory = reader.memory
    this.offsetDelta = reader.offsetDelta
    this.timestampDelta = reader.timestampDelta
    this.keyStart = reader.keyStart
    this.keyEnd = reader.keyEnd
    this.valueStart = reader.valueStart
    this.valueEnd = reader.valueEnd
    this.headersAt = reader.headersAt
    this.recordEnd = reader.recordEnd
    this.decodedKey = NOT_DECODED
    this.decodedValue = NOT_DECODED
    this.extras = null
  }

  get offset (): number { return this.memory.baseOffset + this.offsetDelta }

  get timestamp (): number { return this.memory.firstTimestamp + this.timestampDelta }

  /** Bytes of key, value and headers. */
  get sizeBytes (): number {
    const keyBytes = this.keyStart < 0 ? 0 : this.keyEnd - this.keyStart
    const valueBytes = this.valueStart < 0 ? 0 : this.valueEnd - this.valueStart
    return keyBytes + valueBytes + this.recordEnd - this.headersAt
  }

  get topic (): string { return this.origin.topic }

  get partition (): number { return this.origin.partition }

  /** Bytes of the key, or null: a view of a larger buffer. */
  get keyBytes (): Buffer | null {
    return this.keyStart < 0 ? null : view(this.memory, this.keyStart, this.keyEnd)
  }

  /** Bytes of the value, or null: a view of a larger buffer. */
  get valueBytes (): Buffer | null {
    return this.valueStart < 0 ? null : view(this.memory, this.valueStart, this.valueEnd)
  }

  get key (): K | null {
    if (this.decodedKey === NOT_DECODED) this.decodedKey = this.decode(this.origin.key, this.keyBytes, 'key')
    return this.decodedKey
  }

  get value (): V | null {
    if (this.decodedValue === NOT_DECODED) this.decodedValue = this.decode(this.origin.value, this.valueBytes, 'value')
    return this.decodedValue
  }

  get headers (): ReadonlyMap<string, Uint8Array> {
    const extras = this.extras ??= { headers: null, handlerSignal: null }
    if (extras.headers !== null) return extras.headers
    const headers = new Map<string, Uint8Array>()
    for (const { name, value } of this.headerList()) headers.set(name, value ?? new Uint8Array(0))
    extras.headers = headers
    return headers
  }

  get signal (): AbortSignal { return this.handlerSignal ?? this.origin.signal }

  /** Replaces the signal of the partition where a handler has a time limit. */
  get handlerSignal (): AbortSignal | null { return this.extras?.handlerSignal ?? null }

  set handlerSignal (signal: AbortSignal | null) {
    this.extras ??= { headers: null, handlerSignal: null }
    this.extras.handlerSignal = signal
  }

  /** All headers in order; names may repeat. */
  headerList (): { name: string, value: Buffer | null }[] {
    try {
      return readHeaders(this.memory.bytes, this.headersAt, this.recordEnd, this.memory.baseOffset)
    } catch (error) {
      throw new BrokerError('CORRUPT', `headers of offset ${this.offset}: ${reasonOf(error)}`, {
        topic: this.topic, partition: this.partition, offset: this.offset, cause: error,
      })
    }
  }

  ack (): void { this.origin.ack(this) }

  nack (options: NackOptions = {}): void { this.origin.nack(this, options) }

  extend (ms: number): void {
    if (!(ms >= 0)) throw new BrokerError('INVALID', `extend takes milliseconds of at least 0, not ${ms}`)
  }

  private decode<T> (serde: Serde<T>, bytes: Buffer | null, what: 'key' | 'value'): T | null {
    if (bytes === null) return null
    try {
      return serde.decode(bytes)
    } catch (cause) {
      const error = serializationError(serde.name, `cannot decode the ${what} of ${this.topic} partition ${this.partition} ` +
        `offset ${this.offset}: ${reasonOf(cause)}; skip the record or use the serde that it was written with`, cause)
      throw new BrokerError('SERIALIZATION', error.reason, {
        topic: this.topic, partition: this.partition, offset: this.offset, cause,
      })
    }
  }
}

function view ({ buffer, start }: RecordMemory, from: number, to: number): Buffer {
  return new ByteView(buffer, start + from, to - from)
}
