import fc from 'fast-check'
import t from 'tap'
import {
  FRAME_BYTES_MAX_DEFAULT, FRAME_HEADER_BYTES, FrameError, FrameReader, writeFrameHeader, type Frame,
} from './frame.js'
import { errorName } from './error-table.js'
import { malformedFrames, messageVectors } from './testing/vector-files.js'

interface Seen { api: number, version: number, flags: number, correlation: number, body: string, payload: string }

function seen (frame: Frame): Seen {
  const { bytes, api, version, flags, correlation, bodyStart, bodyEnd, payloadEnd } = frame
  return {
    api,
    version,
    flags,
    correlation,
    body: bytes.toString('hex', bodyStart, bodyEnd),
    payload: bytes.toString('hex', bodyEnd, payloadEnd),
  }
}

/** Frames that come out of a stream cut at the given sizes. */
function readAll (stream: Buffer, chunkSizes: number[]): Seen[] {
  const frames: Seen[] = []
  const reader = new FrameReader(frame => { frames.push(seen(frame)) })
  // The chunk is one reused buffer, as with the onread option of a socket: what the reader keeps must be a copy.
  const chunk = Buffer.alloc(Math.max(stream.length, 1))
  for (let position = 0, index = 0; position < stream.length; index++) {
    const size = Math.min(chunkSizes[index % chunkSizes.length]!, stream.length - position)
    stream.copy(chunk, 0, position, position + size)
    reader.push(chunk.subarray(0, size))
    chunk.fill(0xdd)
    position += size
  }
  t.equal(reader.heldBytes, 0, 'nothing is held behind the last frame')
  return frames
}

function frameOf (api: number, body: Buffer, payload: Buffer): Buffer {
  const header = Buffer.alloc(FRAME_HEADER_BYTES)
  writeFrameHeader(header, { api, version: 1, flags: 0, correlation: 9 }, body.length, payload.length)
  return Buffer.concat([header, body, payload])
}

t.test('Frame: the same frames however the stream is cut', async t => {
  const stream = Buffer.concat(messageVectors().map(({ hex }) => Buffer.from(hex, 'hex')))
  const whole = readAll(stream, [stream.length])
  t.equal(whole.length, messageVectors().length)
  t.strictSame(readAll(stream, [1]), whole, 'byte by byte')
  t.strictSame(readAll(stream, [15, 1, 17, 3]), whole, 'around the header')
  fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 20 }), sizes => {
    t.strictSame(readAll(stream, sizes), whole)
  }), { seed: 4, numRuns: 50 })
})

t.test('Frame: every prefix of every valid frame waits', async t => {
  for (const { hex, name } of messageVectors()) {
    const frame = Buffer.from(hex, 'hex')
    for (let end = 0; end < frame.length; end++) {
      const reader = new FrameReader(() => t.fail(`${name} came out of ${end} of its ${frame.length} bytes`))
      reader.push(frame.subarray(0, end))
      if (reader.heldBytes !== end) t.equal(reader.heldBytes, end, name)
    }
  }
})

t.test('Frame: large frames grow with the bytes that arrive', async t => {
  const payload = Buffer.alloc(3_000_000, 7)
  const frames = readAll(frameOf(4, Buffer.from('body'), payload), [65_536])
  t.equal(frames[0]!.payload.length, payload.length * 2)
})

t.test('Frame: malformed frames are refused with the error of the vectors', async t => {
  for (const { name, hex, maxFrameBytes, error } of malformedFrames()) {
    const bytes = Buffer.from(hex, 'hex')
    for (const size of [bytes.length, 1]) {
      const reader = new FrameReader(() => t.fail(`${name} came out as a frame`), { maxFrameBytes })
      const fault = t.throws(() => {
        for (let start = 0; start < bytes.length; start += size) reader.push(bytes.subarray(start, start + size))
      }, FrameError) as unknown as FrameError
      t.equal(errorName(fault.code), error, name)
      t.same(fault.head, { api: 5, version: 1, flags: 0, correlation: 7 }, `${name} says which request`)
      t.ok(reader.heldBytes <= FRAME_HEADER_BYTES)
    }
  }
})

t.test('Frame: a size at the limit is taken, one above is not', async t => {
  const frame = frameOf(4, Buffer.alloc(0), Buffer.alloc(100))
  const limit = frame.length - 4
  let count = 0
  new FrameReader(() => { count++ }, { maxFrameBytes: limit }).push(frame)
  t.equal(count, 1)
  t.throws(() => new FrameReader(() => {}, { maxFrameBytes: limit - 1 }).push(frame), { code: 3 })
})

t.test('Frame: memory follows what has arrived, not what a size field claims', async t => {
  const header = Buffer.alloc(FRAME_HEADER_BYTES)
  writeFrameHeader(header, { api: 4, version: 1, flags: 0, correlation: 1 }, 0, FRAME_BYTES_MAX_DEFAULT - 12)
  const before = process.memoryUsage().arrayBuffers
  const readers = Array.from({ length: 500 }, () => {
    const reader = new FrameReader(() => {})
    reader.push(header)
    reader.push(Buffer.alloc(10))
    return reader
  })
  const held = process.memoryUsage().arrayBuffers - before
  t.ok(held < 100 * 1024 * 1024, `500 frames of 16 MiB begun hold ${held} bytes`)
  t.equal(readers.reduce((sum, reader) => sum + reader.heldBytes, 0), 500 * 26)
})

t.test('Frame: random bytes end in frames, in waiting or in a FrameError', async () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 1, max: 50 }), (array, size) => {
    const reader = new FrameReader(() => {}, { maxFrameBytes: 4096 })
    try {
      for (let position = 0; position < array.length; position += size) {
        reader.push(Buffer.from(array.subarray(position, position + size)))
      }
    } catch (error) {
      if (!(error instanceof FrameError)) throw error
    }
    return reader.heldBytes <= array.length
  }), { seed: 5, numRuns: 3000 })
})
