// The result of `bench long-log` as a table for people.

import { columns, count, machineText, quotient, sourceText } from '../report.js'
import type { LongLogResult, StartTimes } from './long-log-result.js'

export function longLogTable (result: LongLogResult): string {
  const { plan, readings, rssBytes } = result
  const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`
  return [
    `a log of ${count(plan.records)} records of ${plan.size} B in one partition, written at ${count(result.writtenPerSecond)} ` +
      `records/s; ${plan.rounds} rounds of ${count(plan.readRecords)} records read in consumer batches, medians`,
    machineText(result.machine),
    sourceText(result),
    '',
    ...columns([
      ['read from', 'records/s', 'min–max', 'by a short log'],
      ...readings.map(({ place, recordsPerSecond: rate, byShort }) => [
        place === 'short' ? 'a short log' : `its ${place}`, count(rate.median), `${count(rate.min)}–${count(rate.max)}`,
        place === 'short' ? '–' : quotient(byShort),
      ]),
    ]),
    '',
    `start after a clean stop: ${startText(result.afterStop)}`,
    `start after kill -9: ${startText(result.afterKill)}`,
    `lag of a group with ${count(result.lagRecords)} records to read: known in ${result.lagMs.toFixed(1)} ms`,
    `memory of the broker: ${mebibytes(rssBytes.idle)} idle and empty, ${mebibytes(rssBytes.writing)} at most while writing, ` +
      `${mebibytes(rssBytes.reading)} while reading, ${mebibytes(rssBytes.restarted)} idle after the last start`,
  ].join('\n')
}

function startText ({ readyMs, readMs }: StartTimes): string {
  return `ready after ${(readyMs / 1000).toFixed(2)} s, its last record read after ${(readMs / 1000).toFixed(2)} s`
}
