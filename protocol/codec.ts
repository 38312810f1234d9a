// Compression of the records of a batch: what lies behind the header and the extras.
//
//   number  name     from
//   0       none
//   1       gzip     node:zlib
//   2       brotli   node:zlib
//   3       lz4      the optional package lz4-napi (LZ4 block format behind its uncompressed size, u32 little-endian)
//   4       zstd     node:zlib of Node 22.15 and later
//
// Clients compress and decompress; a broker serves batches as they are. What a peer sent is never trusted with memory:
// decompression stops at a bound.

import { createRequire } from 'node:module'
import zlib from 'node:zlib'

/** Numbers of the codecs in the batch header. */
export const CODEC = { none: 0, gzip: 1, brotli: 2, lz4: 3, zstd: 4 } as const

export type CodecName = keyof typeof CODEC

/** Names by number. */
export const CODEC_NAMES = Object.keys(CODEC) as readonly CodecName[]

/** Most bytes that the records of one batch may have once decompressed. */
export const DECOMPRESSED_BYTES_MAX = 128 * 1024 * 1024

/** A codec that is unknown here or whose package is not installed, or data that it cannot decompress. */
export class CodecError extends Error {
  readonly kind: 'unavailable' | 'corrupt'

  constructor (kind: 'unavailable' | 'corrupt', message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'CodecError'
    this.kind = kind
  }
}

interface Codec { compress (bytes: Buffer): Buffer, decompress (bytes: Buffer): Buffer }

const BOUND = { maxOutputLength: DECOMPRESSED_BYTES_MAX }

const gzip: Codec = {
  compress: bytes => zlib.gzipSync(bytes, { level: 5 }),
  decompress: bytes => zlib.gunzipSync(bytes, BOUND),
}

const brotli: Codec = {
  compress: bytes => zlib.brotliCompressSync(bytes, {
    params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4, [zlib.constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
  }),
  decompress: bytes => zlib.brotliDecompressSync(bytes, BOUND),
}

const loaded = new Map<CodecName, Codec>([['gzip', gzip], ['brotli', brotli]])

/** True where this process can use the codec. */
export function codecAvailable (name: CodecName): boolean {
  if (name === 'none') return true
  try {
    codecFor(name)
    return true
  } catch {
    return false
  }
}

/**
 * Compresses in the calling thread.
 *
 * @throws CodecError 'unavailable' where the codec's package is not installed.
 */
export function compressSync (name: CodecName, bytes: Buffer): Buffer {
  return name === 'none' ? bytes : codecFor(name).compress(bytes)
}

/**
 * Decompresses in the calling thread, up to DECOMPRESSED_BYTES_MAX.
 *
 * @param codec number from a batch header.
 * @throws CodecError 'unavailable' for an unknown codec or a missing package, 'corrupt' for data that does not decode.
 */
export function decompressSync (codec: number, bytes: Buffer): Buffer {
  const name = CODEC_NAMES[codec]
  if (name === undefined) {
    throw new CodecError('unavailable', `compression codec ${codec} is not known to this version; upgrade it`)
  }
  if (name === 'none') return bytes
  const implementation = codecFor(name)
  try {
    return implementation.decompress(bytes)
  } catch (error) {
    throw new CodecError('corrupt', `the ${name} data of a record batch does not decompress`, error)
  }
}

function codecFor (name: CodecName): Codec {
  const known = loaded.get(name)
  if (known !== undefined) return known
  const codec = name === 'lz4' ? loadLz4() : loadZstd()
  loaded.set(name, codec)
  return codec
}

const require = createRequire(import.meta.url)

function loadLz4 (): Codec {
  const lz4 = load<{ compressSync (b: Buffer): Buffer, uncompressSync (b: Buffer): Buffer }>('lz4-napi', 'lz4')
  return {
    compress: bytes => lz4.compressSync(bytes),
    decompress: bytes => {
      // The package allocates what the size claims: no LZ4 block grows more than 255 times.
      const size = bytes.length < 4 ? Infinity : bytes.readUInt32LE(0)
      if (size > Math.min(DECOMPRESSED_BYTES_MAX, (bytes.length - 4) * 255)) throw new RangeError('impossible size')
      const unpacked = lz4.uncompressSync(bytes)
      // The package takes a block that was cut off for a shorter one.
      if (unpacked.length !== size) throw new RangeError('data is cut off')
      return unpacked
    },
  }
}

type ZlibWithZstd = typeof zlib & {
  zstdCompressSync? (bytes: Buffer): Buffer
  zstdDecompressSync? (bytes: Buffer, options: { maxOutputLength: number }): Buffer
}

function loadZstd (): Codec {
  const { zstdCompressSync, zstdDecompressSync } = zlib as ZlibWithZstd
  if (zstdCompressSync === undefined || zstdDecompressSync === undefined) {
    throw new CodecError('unavailable', 'compression zstd needs Node 22.15 or later: upgrade Node, or choose gzip, brotli or lz4')
  }
  return { compress: bytes => zstdCompressSync(bytes), decompress: bytes => zstdDecompressSync(bytes, BOUND) }
}

function load<T> (packageName: string, codec: CodecName): T {
  try {
    return require(packageName) as T
  } catch (error) {
    const advice = `install it with npm install ${packageName}, or choose gzip or brotli`
    throw new CodecError('unavailable', `compression ${codec} needs the package ${packageName}: ${advice}`, error)
  }
}
