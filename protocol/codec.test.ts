import t from 'tap'
import { CODEC, CODEC_NAMES, codecAvailable, CodecError, compressSync, decompressSync } from './codec.js'

const TEXT = Buffer.from('all work and no play makes jack a dull boy, '.repeat(100))

t.test('Codec: what every installed codec packs, it unpacks', async t => {
  for (const name of CODEC_NAMES) {
    if (!codecAvailable(name)) {
      t.throws(() => compressSync(name, TEXT), { name: 'CodecError', kind: 'unavailable', message: /install|upgrade/ }, name)
      t.throws(() => decompressSync(CODEC[name], TEXT), { name: 'CodecError', kind: 'unavailable' }, name)
      continue
    }
    const packed = compressSync(name, TEXT)
    t.strictSame(decompressSync(CODEC[name], packed), TEXT, name)
    if (name !== 'none') t.ok(packed.length < TEXT.length / 4, `${name} makes it smaller`)
    t.strictSame(decompressSync(CODEC[name], compressSync(name, Buffer.alloc(0))), Buffer.alloc(0), `${name} of nothing`)
  }
})

t.test('Codec: gzip and brotli come with Node', async t => {
  t.ok(codecAvailable('none') && codecAvailable('gzip') && codecAvailable('brotli'))
})

t.test('Codec: data cut off anywhere or damaged is a CodecError', async t => {
  for (const name of ['gzip', 'brotli'] as const) {
    const packed = compressSync(name, TEXT)
    for (let end = 0; end < packed.length; end++) {
      try {
        decompressSync(CODEC[name], packed.subarray(0, end))
        t.fail(`${name} unpacks from ${end} of ${packed.length} bytes`)
      } catch (error) {
        if (!(error instanceof CodecError)) throw error
      }
    }
  }
})

t.test('Codec: numbers are those of the batch header and never change', async t => {
  t.strictSame(CODEC, { none: 0, gzip: 1, brotli: 2, lz4: 3, zstd: 4 })
  t.throws(() => decompressSync(5, TEXT), { kind: 'unavailable', message: /codec 5/ })
})
