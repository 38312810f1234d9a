// The result of `bench failover` as a table for people.

import { columns, count, machineText, sourceText } from '../report.js'
import type { Spread } from '../result.js'
import type { FailoverResult, FailoverRound } from './failover-result.js'

export function failoverTable (result: FailoverResult): string {
  const { plan, brokers, rounds, gapMsMedian, gapMsMax, backAfterMsMax, failedRecords } = result
  const what = brokers === null ? 'a cluster that was there, watched' : `${brokers} brokers, ${plan.fault}`
  const header = ['round', 'broker', 'partitions', 'gap: median ms', 'p99', 'max', 'back: median ms', 'p99', 'max',
    'others: max gap', 'stop ms', 'acknowledged', 'failed']
  return [
    `failover: ${what}; ${plan.partitions} partitions, ${count(plan.rate)} records/s of ${plan.size} B: one each ` +
      `${(plan.partitions * 1000 / plan.rate).toFixed(1)} ms and partition, which is part of a gap`,
    machineText(result.machine),
    sourceText(result),
    '',
    ...columns([header, ...rounds.map(roundRow)]),
    '',
    `over the rounds: median gap ${milliseconds(gapMsMedian)}, longest gap ${milliseconds(gapMsMax)}` +
      (backAfterMsMax === null ? '' : `, all partitions back after ${milliseconds(backAfterMsMax)}`) +
      `; ${failedRecords} records failed`,
    ...[...new Set(rounds.flatMap(({ failures }) => failures))].slice(0, 5),
  ].join('\n')
}

function roundRow (round: FailoverRound): string[] {
  const { gapMs, backAfterMs, stopMs } = round
  const cells = (spread: { median: number, p99: number, max: number } | null): string[] =>
    spread === null ? ['–', '–', '–'] : [spread.median, spread.p99, spread.max].map(ms => ms.toFixed(0))
  return [
    String(round.round),
    round.victim < 0 ? '–' : String(round.victim),
    String(round.partitions),
    ...cells(gapMs),
    ...cells(backAfterMs),
    round.othersGapMsMax.toFixed(0),
    stopMs === null ? '–' : stopMs.toFixed(0),
    count(round.acknowledged),
    String(round.failures.length),
  ]
}

function milliseconds ({ median, min, max }: Spread): string {
  return `${median.toFixed(0)} ms (${min.toFixed(0)}–${max.toFixed(0)})`
}
