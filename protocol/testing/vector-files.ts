// The checked-in vectors, for tests.

import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import type { BatchVector } from '../generate/batch-samples.js'
import type { ChecksumVectors } from '../generate/checksums.js'
import type { MalformedBatch, MalformedBody, MalformedFrame } from '../generate/malformed-vectors.js'
import type { MessageVector } from '../generate/message-vectors.js'

/** Folder of the package: two above this file in dist/. */
export const PACKAGE_FOLDER = fileURLToPath(new URL('../../', import.meta.url))

function vectors<T> (name: string): T {
  return JSON.parse(readFileSync(join(PACKAGE_FOLDER, 'vectors', name), 'utf8')) as T
}

/** Whole frames, of all messages. */
export function messageVectors (): MessageVector[] {
  return readdirSync(join(PACKAGE_FOLDER, 'vectors')).filter(name => /\.v[0-9]+\.json$/.test(name)).sort()
    .flatMap(name => vectors<MessageVector[]>(name))
}

export const batchVectors = (): BatchVector[] => vectors('batches.json')
export const checksumVectors = (): ChecksumVectors => vectors('checksums.json')
export const malformedFrames = (): MalformedFrame[] => vectors('malformed-frames.json')
export const malformedBodies = (): MalformedBody[] => vectors('malformed-bodies.json')
export const malformedBatches = (): MalformedBatch[] => vectors('malformed-batches.json')
