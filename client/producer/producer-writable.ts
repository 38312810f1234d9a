// A producer as a stream in object mode.

import { Writable } from 'node:stream'
import type { OutRecord } from '../records.js'

/** The part of a producer that a stream needs. */
interface StreamProducer<K, V> {
  write (record: OutRecord<K, V>): boolean
  drained (): Promise<void>
  flush (): Promise<void>
}

/** Takes records with the backpressure of the producer. Ending the stream waits until all are acknowledged. */
export function producerWritable<K, V> (producer: StreamProducer<K, V>): Writable {
  return new Writable({
    objectMode: true,
    write (record: OutRecord<K, V>, _encoding, callback) {
      let hasRoom
      try {
        hasRoom = producer.write(record)
      } catch (error) {
        return callback(error as Error)
      }
      if (hasRoom) callback()
      else producer.drained().then(() => callback(), callback)
    },
    final (callback) {
      producer.flush().then(() => callback(), callback)
    },
  })
}
