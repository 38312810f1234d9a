// The way to node-lmdb, a native addon: loaded on first use, so that what needs no LMDB runs without it, and so that a
// broken installation is reported in words.

import { createRequire } from 'node:module'
import type lmdbModule from 'node-lmdb'

export type Lmdb = typeof lmdbModule

/** node-lmdb cannot be loaded: it was not compiled for this Node.js. */
export class LmdbMissingError extends Error {
  readonly code = 'LMDB_MISSING'

  constructor (cause: unknown) {
    super('The native module node-lmdb cannot be loaded. It is compiled when it is installed, which needs python3, make ' +
      'and g++, and install scripts must not be switched off. Run "npm rebuild node-lmdb". ' +
      `Cause: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    this.name = 'LmdbMissingError'
  }
}

let loaded: Lmdb | null = null

/** Throws LmdbMissingError. */
export function loadLmdb (): Lmdb {
  try {
    loaded ??= createRequire(import.meta.url)('node-lmdb') as Lmdb
    return loaded
  } catch (error) {
    throw new LmdbMissingError(error)
  }
}
