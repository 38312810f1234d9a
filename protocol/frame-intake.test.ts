import fc from 'fast-check'
import t from 'tap'
import { errorName } from './error-table.js'
import { FRAME_BYTES_MAX_DEFAULT, FRAME_HEADER_BYTES, FrameError, writeFrameHeader } from './frame.js'
import { FrameIntake } from './frame-intake.js'
import { malformedFrames, messageVectors } from './testing/vector-files.js'

function frameOf (correlation: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(FRAME_HEADER_BYTES)
  writeFrameHeader(header, { api: 4, version: 1, flags: 0, correlation }, 0, payload.length)
  return Buffer.concat([header, payload])
}

/** Frames of sizes around every border that the intake knows, each filled with a byte of its own. */
function mixedFrames (): Buffer[] {
  const sizes = [0, 1, 40, 5_000, 65_519, 65_520, 65_521, 3, 300_000, 2_000_000, 0, 131_072, 17]
  return sizes.map((size, index) => frameOf(index, Buffer.alloc(size, index + 1)))
}

/** Reads as a socket does, into the target: at most as much as the next of `sizes` at a time. */
function readInPlace (intake: FrameIntake, stream: Buffer, sizes: readonly number[]): void {
  for (let position = 0, index = 0; position < stream.length; index++) {
    const target = intake.target()
    if (target.length === 0) throw new Error('there is no room for what comes next')
    const end = Math.min(stream.length, position + Math.min(target.length, sizes[index % sizes.length]!))
    stream.copy(target, 0, position, end)
    intake.took(end - position)
    position = end
  }
}

t.test('Frame intake: the same frames however the stream is cut, and none changes later', async t => {
  const frames = [...messageVectors().map(({ hex }) => Buffer.from(hex, 'hex')), ...mixedFrames()]
  const stream = Buffer.concat(frames)
  const check = (feed: (intake: FrameIntake) => void): void => {
    const kept: Buffer[] = []
    const intake = new FrameIntake(({ bytes, bodyStart, payloadEnd }) => {
      kept.push(bytes.subarray(bodyStart - FRAME_HEADER_BYTES, payloadEnd))
    })
    feed(intake)
    t.equal(intake.heldBytes, 0)
    t.equal(kept.length, frames.length)
    t.ok(kept.every((bytes, index) => bytes.equals(frames[index]!)))
  }
  check(intake => readInPlace(intake, stream, [stream.length]))
  check(intake => readInPlace(intake, stream, [15, 1, 17, 3, 100_000]))
  check(intake => intake.push(stream))
  const sizes = fc.array(fc.integer({ min: 1, max: 200_000 }), { minLength: 1, maxLength: 20 })
  fc.assert(fc.property(sizes, fc.boolean(), (sizes, inPlace) => {
    if (inPlace) return check(intake => readInPlace(intake, stream, sizes))
    check(intake => {
      // The chunk is used for other things at once: what is kept must be a copy.
      for (let position = 0, index = 0; position < stream.length; position += sizes[index++ % sizes.length]!) {
        const chunk = Buffer.from(stream.subarray(position, position + sizes[index % sizes.length]!))
        intake.push(chunk)
        chunk.fill(0xdd)
      }
    })
  }), { seed: 6, numRuns: 25 })
})

t.test('Frame intake: byte by byte', async t => {
  const frames = messageVectors().map(({ hex }) => hex)
  const seen: string[] = []
  const intake = new FrameIntake(({ bytes, payloadEnd }) => { seen.push(bytes.toString('hex', 0, payloadEnd)) })
  readInPlace(intake, Buffer.from(frames.join(''), 'hex'), [1])
  t.strictSame(seen, frames)
})

t.test('Frame intake: a large frame is received in its own memory, whatever of it came first', async t => {
  const payload = Buffer.alloc(1_000_000, 7)
  const frame = frameOf(1, payload)
  let memory: ArrayBufferLike | null = null
  const intake = new FrameIntake(({ bytes }) => {
    t.equal(bytes.length, frame.length)
    t.equal(bytes.buffer, memory, 'it is where it was read to')
    t.equal(bytes.buffer.byteLength, frame.length, 'and pins nothing else')
  })
  readInPlace(intake, frame.subarray(0, 20), [20])
  memory = intake.target().buffer
  t.equal(intake.target().length, frame.length - 20, 'the rest fits, and nothing behind it')
  readInPlace(intake, frame.subarray(20), [400_000])
})

t.test('Frame intake: malformed frames are refused with the error of the vectors', async t => {
  for (const { name, hex, maxFrameBytes, error } of malformedFrames()) {
    const bytes = Buffer.from(hex, 'hex')
    for (const size of [bytes.length, 1]) {
      const intake = new FrameIntake(() => t.fail(`${name} came out as a frame`), { maxFrameBytes })
      const fault = t.throws(() => readInPlace(intake, bytes, [size]), FrameError) as unknown as FrameError
      t.equal(errorName(fault.code), error, name)
    }
  }
})

t.test('Frame intake: a frame above what its header is believed grows with what arrives', async t => {
  const size = FRAME_BYTES_MAX_DEFAULT + 1_000_000
  const frame = frameOf(1, Buffer.alloc(size, 9))
  let came = false
  const intake = new FrameIntake(({ bytes, payloadEnd }) => { came = bytes.subarray(0, payloadEnd).equals(frame) },
    { maxFrameBytes: 2 ** 32 })
  const header = Buffer.from(frame.subarray(0, FRAME_HEADER_BYTES))
  readInPlace(intake, header, [FRAME_HEADER_BYTES])
  t.ok(intake.target().length <= FRAME_BYTES_MAX_DEFAULT)
  readInPlace(intake, frame.subarray(FRAME_HEADER_BYTES), [1_000_003])
  t.ok(came)

  const liar = Buffer.from(header)
  liar.writeUInt32BE(0xffffffff, 0)
  const held = new FrameIntake(() => t.fail('nothing is complete'), { maxFrameBytes: 2 ** 32 })
  readInPlace(held, liar, [FRAME_HEADER_BYTES])
  t.ok(held.target().buffer.byteLength <= FRAME_BYTES_MAX_DEFAULT, 'four claimed GiB are not believed')
})

t.test('Frame intake: random bytes end in frames, in waiting or in a FrameError', async () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 1, max: 50 }), (array, size) => {
    const intake = new FrameIntake(() => {}, { maxFrameBytes: 4096 })
    try {
      readInPlace(intake, Buffer.from(array), [size])
    } catch (error) {
      if (!(error instanceof FrameError)) throw error
    }
    return intake.target().length > 0
  }), { seed: 5, numRuns: 2000 })
})
