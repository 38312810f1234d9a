// Result files, read back and checked as far as others rely on them.

import { readFile } from 'node:fs/promises'
import { BenchError } from './bench-error.js'
import { RESULT_FORMAT, type Sample } from './result.js'
import { SWEEP_FORMAT } from './sweep/sweep-result.js'
import type { Workload } from './workload.js'

/** A workload with what was measured of it. */
export interface Measured { readonly workload: Workload, readonly samples: readonly Sample[] }

/** Reads what a run or a sweep has written. @throws BenchError saying what is wrong with the file. */
export async function readResults (path: string): Promise<Measured[]> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw new BenchError(2, `${path} cannot be read: ${(error as Error).message}`)
  }
  let parsed: { format?: unknown, points?: unknown, workload?: unknown, samples?: unknown } | null
  try {
    parsed = JSON.parse(text) as typeof parsed
  } catch {
    throw new BenchError(2, `${path} is no JSON: write one with sluice bench … --out FILE`)
  }
  const found = parsed?.format === RESULT_FORMAT
    ? [parsed]
    : parsed?.format === SWEEP_FORMAT ? parsed.points : null
  if (!Array.isArray(found) || found.length === 0 || !found.every(isMeasured)) {
    throw new BenchError(2, `${path} is no result of this version (${RESULT_FORMAT}): write one with sluice bench … --out FILE`)
  }
  return found
}

function isMeasured (value: unknown): value is Measured {
  const { workload, samples } = (value ?? {}) as Partial<Measured>
  return typeof workload?.name === 'string' && Array.isArray(samples) &&
    samples.every(sample => typeof sample.contender === 'string' && typeof sample.round === 'number' &&
      typeof sample.recordsPerSecond === 'number')
}
