// Dialogues about connections, frames, versions and bodies.

import {
  API_KEY, BATCH_BYTES_MAX, FRAME_FLAG, FRAME_HEADER_BYTES, writeFrameHeader, type FrameHead, type HelloRequest,
} from '@sluice/protocol'
import { batchOf } from './batches.js'
import { Deviation, expectEqual, expectItem, expectRefused, expectThat } from './deviation.js'
import type { Dialogue, Stage } from './dialogue.js'
import { fetchFields, produce } from './exchanges.js'
import type { RawConnection } from './raw-connection.js'

const HELLO: HelloRequest = { clientName: 'conformance', clientVersion: '1', apis: [], features: 0, mechanism: null }
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

function frameOf (head: Partial<FrameHead>, body: Buffer): Buffer {
  const header = Buffer.alloc(FRAME_HEADER_BYTES)
  writeFrameHeader(header, { api: API_KEY.metadata, version: 1, flags: 0, correlation: 1, ...head }, body.length, 0)
  return Buffer.concat([header, body])
}

/** A header with any sizes, possible or not. */
function headerOf (size: number, bodySize: number): Buffer {
  const header = frameOf({ correlation: 77 }, Buffer.alloc(0))
  header.writeUInt32BE(size, 0)
  header.writeUInt32BE(bodySize, 12)
  return header
}

async function expectAlive (connection: RawConnection): Promise<void> {
  await connection.tell('listTopics', {})
}

/** What follows a frame that cannot be cut: one error, the end, and no harm to a connection beside it. */
async function expectCutOff (
  stage: Stage, bytes: (limit: number) => Buffer, error: 'MALFORMED_FRAME' | 'FRAME_TOO_LARGE',
): Promise<void> {
  const bystander = await stage.greeted()
  const connection = await stage.connect()
  const { maxFrameBytes } = await connection.hello()
  connection.sendBytes(bytes(maxFrameBytes))
  const answer = await connection.answer('hello')
  expectRefused(answer, error)
  await connection.expectClose()
  await expectAlive(bystander)
}

/** A body that is no value of its schema: that request fails, the connection goes on. */
function malformedBody (name: string, hex: string): Dialogue {
  return {
    name: `Body: ${name} is answered with MALFORMED_FRAME; the connection goes on`,
    async run (stage) {
      const connection = await stage.greeted()
      connection.sendBytes(frameOf({ correlation: 9 }, Buffer.from(hex, 'hex')))
      const answer = await connection.answer('metadata')
      expectRefused(answer, 'MALFORMED_FRAME')
      expectEqual(answer.frame.correlation, 9, 'correlation')
      await expectAlive(connection)
    },
  }
}

const HELLO_DIALOGUES: Dialogue[] = [
  {
    name: 'Hello: names the broker, its apis and its limits',
    async run (stage) {
      const hello = await (await stage.connect()).hello()
      expectThat(UUID.test(hello.clusterId), 'a UUID as clusterId', hello.clusterId)
      expectThat(hello.brokerId >= 0, 'a brokerId of 0 or more', String(hello.brokerId))
      for (const [name, key] of Object.entries(API_KEY)) {
        if (key === API_KEY.goAway) continue
        const api = hello.apis.find(candidate => candidate.api === key)
        // A broker may do without redrives.
        if (api === undefined && key >= API_KEY.startRedrive) continue
        if (api === undefined) throw new Deviation(`api ${key}, ${name}`, 'it is not listed')
        expectEqual(api.name, name, `name of api ${key}`)
        expectThat(api.minVersion <= 1 && api.maxVersion >= 1, `version 1 of ${name}`, `${api.minVersion} to ${api.maxVersion}`)
      }
      expectThat(hello.maxFrameBytes >= 64 * 1024, 'maxFrameBytes of 64 KiB or more', String(hello.maxFrameBytes))
      const batchBytesMax = Math.min(hello.maxFrameBytes, BATCH_BYTES_MAX + 1)
      expectThat(hello.maxRecordBatchBytes > 0 && hello.maxRecordBatchBytes < batchBytesMax,
        'maxRecordBatchBytes that fits a frame', String(hello.maxRecordBatchBytes))
      expectThat(hello.maxInFlightRequests > 0, 'maxInFlightRequests above 0', String(hello.maxInFlightRequests))
      expectThat(hello.maxInFlightBytes > 0, 'maxInFlightBytes above 0', String(hello.maxInFlightBytes))
      expectThat(hello.rememberedBatches > 0, 'rememberedBatches above 0', String(hello.rememberedBatches))
      expectThat(hello.timeMs > 1_700_000_000_000, 'the clock of the broker as timeMs', String(hello.timeMs))
    },
  },
  {
    name: 'Hello: a feature that does not exist is not switched on',
    async run (stage) {
      const connection = await stage.connect()
      const { features } = await connection.tell('hello', { ...HELLO, features: 2 ** 40 })
      expectEqual(features, 0, 'features')
    },
  },
  {
    name: 'Hello: another request before it is answered with HELLO_REQUIRED, then the connection ends',
    async run (stage) {
      const connection = await stage.connect()
      expectRefused(await connection.ask('listTopics', {}), 'HELLO_REQUIRED')
      await connection.expectClose()
    },
  },
  {
    name: 'Versions: an unknown version of hello is refused, and version 1 is spoken after it',
    async run (stage) {
      const connection = await stage.connect()
      expectRefused(await connection.ask('hello', HELLO, { version: 200 }), 'UNSUPPORTED_VERSION')
      await connection.hello()
    },
  },
  {
    name: 'Versions: an unknown api is answered with UNKNOWN_API; the connection goes on',
    async run (stage) {
      const connection = await stage.greeted()
      connection.sendBytes(frameOf({ api: 60_000, correlation: 5 }, Buffer.from('nobody knows this body')))
      const answer = await connection.answer('hello')
      expectRefused(answer, 'UNKNOWN_API')
      expectEqual(answer.frame.correlation, 5, 'correlation')
      await expectAlive(connection)
    },
  },
  {
    name: 'Versions: versions 0 and 255 of an api are answered with UNSUPPORTED_VERSION; the connection goes on',
    async run (stage) {
      const connection = await stage.greeted()
      for (const version of [0, 255]) expectRefused(await connection.ask('listTopics', {}, { version }), 'UNSUPPORTED_VERSION')
      await expectAlive(connection)
    },
  },
]

const BODY_DIALOGUES: Dialogue[] = [
  malformedBody('an empty body', ''),
  malformedBody('a byte left over', '0000'),
  malformedBody('an unknown branch of a union', '0400'),
  malformedBody('a string longer than the body', '0202086100'),
  malformedBody('an array of 2^40 items', '02808080808040'),
  malformedBody('an array block with a byte size', '02010200'),
  malformedBody('a varint without an end', 'ffffffffffffffffffff'),
]

const FRAME_DIALOGUES: Dialogue[] = [
  {
    name: 'Frame: a size of 0 ends the connection with MALFORMED_FRAME',
    run: stage => expectCutOff(stage, () => headerOf(0, 0), 'MALFORMED_FRAME'),
  },
  {
    name: 'Frame: a size of 11, below the header, ends the connection with MALFORMED_FRAME',
    run: stage => expectCutOff(stage, () => headerOf(11, 0), 'MALFORMED_FRAME'),
  },
  {
    name: 'Frame: a body larger than its frame ends the connection with MALFORMED_FRAME',
    run: stage => expectCutOff(stage, () => headerOf(20, 9), 'MALFORMED_FRAME'),
  },
  {
    name: 'Frame: a size of 4 GiB ends the connection with FRAME_TOO_LARGE',
    run: stage => expectCutOff(stage, () => headerOf(0xffffffff, 0), 'FRAME_TOO_LARGE'),
  },
  {
    name: 'Frame: one byte above maxFrameBytes ends the connection with FRAME_TOO_LARGE',
    run: stage => expectCutOff(stage, limit => headerOf(limit + 1, 0), 'FRAME_TOO_LARGE'),
  },
  {
    name: 'Frame: HTTP ends the connection, with an error',
    run: stage => expectCutOff(stage, () => Buffer.from('GET / HTTP/1.1\r\nHost: example.com\r\n\r\n'), 'FRAME_TOO_LARGE'),
  },
  {
    name: 'Frame: a request that comes byte by byte is answered',
    async run (stage) {
      const connection = await stage.connect()
      const frame = connection.frameOf('hello', HELLO, { correlation: 3 })
      for (const byte of frame) {
        connection.sendBytes(Buffer.from([byte]))
        await new Promise(resolve => { setImmediate(resolve) })
      }
      const { error, frame: answered } = await connection.answer('hello')
      expectThat(error === null, 'a hello response', String(error?.message))
      expectEqual(answered.correlation, 3, 'correlation')
    },
  },
  {
    name: 'Frame: a connection that ends in the middle of a frame harms nobody',
    async run (stage) {
      const bystander = await stage.greeted()
      for (const size of [1, 15, 16, 20]) {
        const connection = await stage.greeted()
        connection.sendBytes(connection.frameOf('metadata', { topics: ['a'] }).subarray(0, size))
        connection.close()
      }
      await expectAlive(bystander)
    },
  },
  {
    name: 'Frame: responses repeat api, version and correlation, whatever the correlation',
    async run (stage) {
      const connection = await stage.greeted()
      for (const correlation of [1, 0x80000000, 0xffffffff, 0]) {
        const { frame, error } = await connection.ask('listTopics', {}, { correlation })
        expectThat(error === null, 'a response', String(error?.message))
        expectEqual(frame.version, 1, 'version')
        expectEqual(frame.flags, FRAME_FLAG.response, 'flags')
      }
    },
  },
  {
    name: 'Frame: unknown flags of a request are ignored',
    async run (stage) {
      const connection = await stage.greeted()
      const { error } = await connection.ask('listTopics', {}, { flags: 0xf0 })
      expectThat(error === null, 'a response', String(error?.message))
    },
  },
  {
    name: 'Order: a hundred requests at once are answered in their order',
    async run (stage) {
      const connection = await stage.greeted()
      const sent: number[] = []
      const frames: Buffer[] = []
      for (let index = 0; index < 100; index++) {
        const frame = index % 2 === 0
          ? connection.frameOf('listTopics', {})
          : connection.frameOf('metadata', { topics: [] })
        sent.push(frame.readUInt32BE(8))
        frames.push(frame)
      }
      connection.sendBytes(Buffer.concat(frames))
      for (const correlation of sent) expectEqual((await connection.next()).correlation, correlation, 'correlation')
    },
  },
]

const LIMIT_DIALOGUES: Dialogue[] = [
  {
    name: 'Limits: three times maxInFlightRequests sent at once are all answered, in order',
    async run (stage) {
      const connection = await stage.connect()
      const { maxInFlightRequests } = await connection.hello()
      const count = Math.min(maxInFlightRequests, 10_000) * 3
      const frames = Array.from({ length: count }, () => connection.frameOf('metadata', { topics: [] }))
      connection.sendBytes(Buffer.concat(frames))
      for (const frame of frames) expectEqual((await connection.next()).correlation, frame.readUInt32BE(8), 'correlation')
    },
  },
  {
    name: 'Limits: a client that reads late gets all of its responses, and holds up nobody meanwhile',
    async run (stage) {
      const bystander = await stage.greeted()
      const connection = await stage.greeted()
      const { topicId } = await stage.topic(connection)
      const batch = batchOf(1, 'x'.repeat(500_000))
      for (const result of await produce(connection, [{ batch, topicId }, { batch, topicId }])) expectItem(result, 'NONE')
      connection.pause()
      const sent: number[] = []
      for (let index = 0; index < 40; index++) sent.push(connection.send('fetch', fetchFields(topicId, 0)))
      for (let index = 0; index < 10; index++) await expectAlive(bystander)
      connection.resume()
      for (const correlation of sent) {
        const frame = await connection.next()
        expectEqual(frame.correlation, correlation, 'correlation')
        expectThat(frame.payload.length >= batch.length, 'a batch', `${frame.payload.length} bytes`)
      }
    },
  },
]

export const FRAME_DIALOGUE_LIST: readonly Dialogue[] =
  [...HELLO_DIALOGUES, ...FRAME_DIALOGUES, ...BODY_DIALOGUES, ...LIMIT_DIALOGUES]
