// Which settings a sweep measures.
//
//   each   one dimension at a time, the others as in the base:   base, base with linger 5, base with partitions 8, …
//   grid   every combination
//
// The base is the first point; no point comes twice.

import { BenchError } from '../bench-error.js'
import type { ProduceWorkload } from '../workload.js'

/** Fields of a produce workload that a sweep may vary, with the words of the report. */
export const DIMENSIONS = {
  batch: 'records of a batch',
  lingerMs: 'linger, ms',
  partitions: 'partitions',
  acks: 'acks',
  compression: 'codec',
  inFlightBytes: 'bytes in flight',
  flush: 'flush',
} as const satisfies Partial<Record<keyof ProduceWorkload, string>>

export type Dimension = keyof typeof DIMENSIONS
export const DIMENSION_NAMES = Object.keys(DIMENSIONS) as Dimension[]
export const DESIGNS = ['each', 'grid'] as const
export type Design = typeof DESIGNS[number]

/** Levels of each dimension. */
export type Levels = { readonly [Name in Dimension]: readonly ProduceWorkload[Name][] }

/** More take hours: somebody has mistyped. */
export const POINTS_MAX = 500

/** The workloads to measure, the base first. @throws BenchError where there are too many. */
export function planSweep (base: ProduceWorkload, levels: Levels, design: Design): ProduceWorkload[] {
  const combinations = DIMENSION_NAMES.reduce((product, name) => product * Math.max(1, levels[name].length), 1)
  if (design === 'grid' && combinations > POINTS_MAX) {
    throw new BenchError(2, `this grid has ${combinations} combinations, more than ${POINTS_MAX}: leave levels out, or use --design each`)
  }
  const points = design === 'each' ? oneAtATime(base, levels) : allCombinations(base, levels)
  return unique([base, ...points])
}

function oneAtATime (base: ProduceWorkload, levels: Levels): ProduceWorkload[] {
  return DIMENSION_NAMES.flatMap(name => levels[name].map(level => ({ ...base, [name]: level })))
}

function allCombinations (base: ProduceWorkload, levels: Levels): ProduceWorkload[] {
  return DIMENSION_NAMES.reduce<ProduceWorkload[]>(
    (points, name) => levels[name].length === 0
      ? points
      : points.flatMap(point => levels[name].map(level => ({ ...point, [name]: level }))),
    [base])
}

function unique (workloads: readonly ProduceWorkload[]): ProduceWorkload[] {
  const seen = new Set<string>()
  return workloads.filter(workload => {
    const identity = JSON.stringify(DIMENSION_NAMES.map(name => workload[name]))
    return !seen.has(identity) && seen.add(identity)
  })
}

/** Dimensions in which two workloads differ. */
export function differences (base: ProduceWorkload, other: ProduceWorkload): Dimension[] {
  return DIMENSION_NAMES.filter(name => base[name] !== other[name])
}
