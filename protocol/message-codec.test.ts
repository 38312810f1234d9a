import fc from 'fast-check'
import t from 'tap'
import { ITEMS_MAX, type AvroSchema } from './avro-guard.js'
import { FRAME_HEADER_BYTES, FrameReader, type Frame } from './frame.js'
import { SCHEMAS } from './generated/messages.js'
import { apiName, decodeBody, messageCodec, MessageError, type Direction, type MessageCodec } from './message-codec.js'
import { arbitraryOf } from './testing/schema-arbitrary.js'
import { malformedBodies, messageVectors } from './testing/vector-files.js'

const HEAD = { api: 1, version: 1, flags: 0, correlation: 1 }

function codecOf (name: string): MessageCodec<unknown> {
  const [api, version, direction] = name.split('.') as [string, string, Direction]
  return messageCodec(api as 'hello', direction, Number(version.slice(1))) as MessageCodec<unknown>
}

function plain (value: unknown): unknown {
  return JSON.parse(JSON.stringify(value))
}

t.test('Message: vectors decode to their fields and encode to their bytes', async t => {
  for (const vector of messageVectors()) {
    const codec = codecOf(`${vector.api}.v${vector.version}.${vector.direction}`)
    const bytes = Buffer.from(vector.hex, 'hex')
    new FrameReader(frame => {
      const { api, version, flags, correlation } = frame
      t.strictSame(plain(decodeBody(codec, frame)), vector.fields, vector.name)
      t.equal(bytes.toString('hex', frame.bodyEnd, frame.payloadEnd), vector.payload)
      t.equal(flags, vector.flags)
      t.equal(correlation, vector.correlation)
      if (vector.api !== 'error') t.equal(apiName(api), vector.api)
      const payload = Buffer.from(vector.payload, 'hex')
      const encoded = codec.encodeFrame({ api, version, flags, correlation }, vector.fields, payload.length)
      t.strictSame(Buffer.concat([encoded, payload]), bytes, `${vector.name} encodes to the same bytes`)
    }).push(bytes)
  }
})

t.test('Message: there is a vector of every message', async t => {
  const covered = new Set(messageVectors().map(({ api, version, direction }) => `${api}.v${version}.${direction}`))
  t.strictSame([...covered].sort(), Object.keys(SCHEMAS).sort())
})

t.test('Message: any message comes back from its bytes', async () => {
  for (const [name, schema] of Object.entries(SCHEMAS)) {
    const codec = codecOf(name)
    fc.assert(fc.property(arbitraryOf(schema as AvroSchema), message => {
      const bytes = codec.encodeFrame(HEAD, message)
      const decoded = plain(codec.decode(bytes, FRAME_HEADER_BYTES, bytes.length))
      return JSON.stringify(decoded) === JSON.stringify(message)
    }), { seed: 8, numRuns: 40 })
  }
})

t.test('Message: every prefix of every valid body is refused as a MessageError', async t => {
  for (const { name, api, version, direction, hex } of messageVectors()) {
    const codec = codecOf(`${api}.v${version}.${direction}`)
    const bytes = Buffer.from(hex, 'hex')
    const bodyEnd = FRAME_HEADER_BYTES + bytes.readUInt32BE(12)
    for (let end = FRAME_HEADER_BYTES; end < bodyEnd; end++) {
      try {
        codec.decode(bytes, FRAME_HEADER_BYTES, end)
        t.fail(`${name} decodes from ${end - FRAME_HEADER_BYTES} bytes`)
      } catch (error) {
        if (!(error instanceof MessageError)) throw error
      }
    }
  }
})

t.test('Message: malformed bodies of the vectors are refused', async t => {
  for (const { name, message, hex } of malformedBodies()) {
    const bytes = Buffer.from(hex, 'hex')
    t.throws(() => codecOf(message).decode(bytes, 0, bytes.length), MessageError, name)
  }
})

t.test('Message: bodies with flipped bits decode or end in a MessageError', async t => {
  const frames = messageVectors().map(vector => ({
    codec: codecOf(`${vector.api}.v${vector.version}.${vector.direction}`), bytes: Buffer.from(vector.hex, 'hex'),
  })).filter(({ bytes }) => bytes.readUInt32BE(12) > 0)
  let refused = 0
  const anyBits = fc.array(fc.nat(), { minLength: 1, maxLength: 3 })
  fc.assert(fc.property(fc.constantFrom(...frames), anyBits, ({ codec, bytes }, bits) => {
    const damaged = Buffer.from(bytes)
    const bodySize = bytes.readUInt32BE(12)
    for (const bit of bits) damaged[FRAME_HEADER_BYTES + (bit >> 3) % bodySize]! ^= 1 << (bit & 7)
    try {
      codec.decode(damaged, FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + bodySize)
    } catch (error) {
      if (!(error instanceof MessageError)) throw error
      refused++
    }
  }), { seed: 9, numRuns: 5000 })
  t.ok(refused > 100, `${refused} were refused`)
})

t.test('Message: random bytes decode or end in a MessageError', async () => {
  const codecs = Object.keys(SCHEMAS).map(codecOf)
  fc.assert(fc.property(fc.constantFrom(...codecs), fc.uint8Array({ maxLength: 120 }), (codec, array) => {
    try {
      codec.decode(Buffer.from(array), 0, array.length)
    } catch (error) {
      if (!(error instanceof MessageError)) throw error
    }
  }), { seed: 10, numRuns: 5000 })
})

t.test('Message: a body of a million items too many is refused before it is decoded', async t => {
  const codec = messageCodec('describeGroups', 'request')
  const bytes = codec.encodeFrame(HEAD, { groups: new Array<string>(ITEMS_MAX + 1).fill('') })
  t.throws(() => codec.decode(bytes, FRAME_HEADER_BYTES, bytes.length), MessageError)
})

t.test('Message: messages larger than the scratch buffer keep their bytes', async t => {
  const codec = messageCodec('describeGroups', 'request')
  const groups = Array.from({ length: 20_000 }, (_, index) => `group-${index}`)
  const large = codec.encodeFrame(HEAD, { groups })
  const small = codec.encodeFrame(HEAD, { groups: ['other'] })
  let frames = 0
  new FrameReader((frame: Frame) => {
    t.strictSame(plain(decodeBody(codec, frame)), { groups: frames++ === 0 ? groups : ['other'] })
  }).push(Buffer.concat([large, small]))
  t.equal(frames, 2)
})

t.test('Message: a map key such as __proto__ does no harm', async t => {
  const codec = messageCodec('alterTopics', 'request')
  // One topic "a", partitions 0, replicationFactor 0, set { __proto__: "x" }, unset [].
  const bytes = Buffer.from('00000202610000' + '02' + '12' + Buffer.from('__proto__').toString('hex') + '0278' + '00' + '00' + '00', 'hex')
  const message = codec.decode(bytes, 0, bytes.length)
  t.equal(Object.keys(message.topics[0]!.set).includes('polluted'), false)
  t.equal(({} as Record<string, unknown>)['x'], undefined)
  t.equal(Object.getPrototypeOf({}), Object.prototype)
})

t.test('Message: a message that does not exist is a programming error', async t => {
  t.throws(() => messageCodec('goAway', 'request'), TypeError)
  t.equal(apiName(9999), undefined)
})

t.test('Message: a wrong type or a number out of range is a programming error of the sender', async t => {
  const codec = messageCodec('initProducer', 'request')
  t.throws(() => codec.encodeFrame(HEAD, { producerId: 2 ** 53, producerEpoch: 0 }))
  t.throws(() => codec.encodeFrame(HEAD, { producerId: 0.5, producerEpoch: 0 }))
  t.throws(() => codec.encodeFrame(HEAD, { producerId: 0 } as never))
})
