// The limits of a machine as a table for people.

import { columns, count, machineText, sourceText } from '../report.js'
import type { Spread } from '../result.js'
import type { LimitResult } from './limit-result.js'

/** The result as text, several lines. */
export function limitTable (result: LimitResult): string {
  const { disk, tcp, checksum, bareLoop } = result
  return [
    'what this machine can do',
    `${result.rounds} rounds of ${result.durationMs / 1000} s, medians; ${machineText(result.machine)}`,
    sourceText(result),
    '',
    'disk: write, fdatasync, and again',
    ...columns([
      ['', 'bytes', 'syncs/s', 'MiB/s', 'min–max', 'p50 ms', 'p99 ms', 'max ms'],
      ...disk.map(({ mode, size, syncsPerSecond, bytesPerSecond, latency }) => [
        mode, count(size), count(syncsPerSecond.median), ...rateCells(bytesPerSecond),
        ...[latency.p50Us, latency.p99Us, latency.maxUs].map(us => (us / 1000).toFixed(2)),
      ]),
    ]),
    '',
    ...columns([
      ['loopback TCP, two processes', 'MiB/s', 'min–max', 'round trip p50 ms', 'p99 ms'],
      ['', ...rateCells(tcp.bytesPerSecond), (tcp.roundTrip.p50Us / 1000).toFixed(3), (tcp.roundTrip.p99Us / 1000).toFixed(3)],
    ]),
    '',
    ...columns([
      ['CRC-32C', 'bytes', 'MiB/s', 'min–max'],
      ...checksum.map(({ size, bytesPerSecond }) => ['', count(size), ...rateCells(bytesPerSecond)]),
    ]),
    '',
    ...columns([
      ['all together: bare loop', 'record bytes', 'records/s', 'min–max', 'MiB/s', 'client cores', 'server cores'],
      ...bareLoop.flatMap(({ workload, summaries }) => summaries.map(summary => [
        summary.contender, count(workload.size), count(summary.recordsPerSecond.median),
        `${count(summary.recordsPerSecond.min)}–${count(summary.recordsPerSecond.max)}`,
        (summary.bytesPerSecond.median / 2 ** 20).toFixed(1),
        summary.clientCores.median.toFixed(2), summary.serverCores.median.toFixed(2),
      ])),
    ]),
  ].join('\n')
}

function rateCells ({ median, min, max }: Spread): string[] {
  const mebibytes = (bytes: number): string => count(bytes / 2 ** 20)
  return [mebibytes(median), `${mebibytes(min)}–${mebibytes(max)}`]
}
