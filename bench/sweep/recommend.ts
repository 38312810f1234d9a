// Which setting to use, of what a sweep has measured.
//
// Only settings that promise as much as the base: a weaker promise is not a tuning. Of these the fastest, unless what
// it gains is within what the measurement varies by; then the base, for a default needs no explanation.

import { differences, DIMENSIONS, type Dimension } from './sweep-plan.js'
import type { Recommendation, SweepPoint } from './sweep-result.js'
import { batchBytesFor } from '../load/sluice-produce-load.js'
import type { ProduceWorkload } from '../workload.js'

/** What decides how much an acknowledgement promises. */
const PROMISES: readonly Dimension[] = ['acks', 'flush']
/** A gain of less is not worth a setting. */
const GAIN_MIN = 1.03

/** The best levels of all dimensions together, which may not have been measured yet. */
export function bestCombination (points: readonly SweepPoint[]): ProduceWorkload {
  const base = points[0]!.workload
  let chosen = base
  for (const name of Object.keys(DIMENSIONS) as Dimension[]) {
    if (PROMISES.includes(name)) continue
    const alone = points.filter(({ changed }) => changed.length === 1 && changed[0] === name).sort(byRatio)[0]
    if (alone !== undefined && isGain(alone)) chosen = { ...chosen, [name]: alone.workload[name] }
  }
  return chosen
}

/** @param points the base first. */
export function recommend (points: readonly SweepPoint[]): Recommendation {
  const base = points[0]!
  const best = points.filter(({ changed }) => !changed.some(name => PROMISES.includes(name))).sort(byRatio)[0]!
  const chosen = isGain(best) ? best : base
  const { workload } = chosen
  const reason = chosen === base
    ? 'nothing that keeps the promise of an acknowledgement is faster than the first setting by more than chance'
    : `${chosen.ratio.median.toFixed(2)} times the rate of the first setting (${chosen.ratio.min.toFixed(2)}–${chosen.ratio.max.toFixed(2)}), with the same promise`
  return {
    point: points.indexOf(chosen),
    producerOptions: producerOptionsOf(workload),
    topicSettings: Object.fromEntries(differences(base.workload, workload)
      .filter(name => name === 'partitions').map(name => [name, workload[name]!])),
    reason,
  }
}

/** Faster in every round, and by enough. */
function isGain ({ ratio }: SweepPoint): boolean {
  return ratio.median >= GAIN_MIN && ratio.min > 1
}

function byRatio (a: SweepPoint, b: SweepPoint): number {
  return b.ratio.median - a.ratio.median
}

function producerOptionsOf (workload: ProduceWorkload): Record<string, string | number> {
  const { acks, lingerMs, compression, batch, size, inFlightBytes } = workload
  return {
    ...(acks === 'quorum' ? {} : { acks }),
    ...(lingerMs === 0 ? {} : { lingerMs }),
    ...(compression === 'none' ? {} : { compression }),
    ...(batch === null ? {} : { batchBytes: batchBytesFor(batch, size) }),
    ...(inFlightBytes === null ? {} : { bufferBytes: inFlightBytes }),
  }
}
