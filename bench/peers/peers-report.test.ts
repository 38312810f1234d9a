// What is made of samples: rows, table, page and plot. The samples are made up.

import t from 'tap'
import { unclosed } from '../html/markup.fixture.js'
import { USAGE, sampleOf } from '../test-samples.fixture.js'
import { LatencyRecorder } from '../measure/latency-recorder.js'
import { PEER_NAMES, peerOf } from './peer-table.js'
import { PEER_WORKLOAD_NAMES, PEER_WORKLOADS, peerWorkloadTitle, type PeerWorkloadName } from './peer-workloads.js'
import { peerRows } from './peer-rows.js'
import { peersPage, peersPlot, peersTable } from './peers-report.js'
import { PEERS_FORMAT, type PeerFacts, type PeerSample, type PeersResult, type PeerWorkloadResult } from './peers-result.js'

const CONTENDERS: readonly PeerFacts[] = [
  { contender: 'sluice', title: 'Sluice', versions: null, durability: 'synced before the ack', isSynced: true },
  { contender: 'bare overlap', title: 'bare overlap', versions: null, durability: 'synced before the ack', isSynced: true },
  { contender: 'fast', title: 'Fast <one>', versions: 'fast 1.0', durability: 'page cache', isSynced: false },
  { contender: 'safe', title: 'Safe', versions: 'safe 2.0', durability: 'synced before the reply', isSynced: true },
  { contender: 'absent', title: 'Absent', versions: 'absent 3.0', durability: 'none', isSynced: false },
]

function rateSamples (rates: Record<string, number[]>): PeerSample[] {
  return Object.entries(rates).flatMap(([contender, values]) =>
    values.map((rate, index) => ({ ...sampleOf(index + 1, contender, rate), server: contender === 'fast' ? null : USAGE })))
}

/** A sample of a schedule of 1,000 records a second. */
function latencySample (round: number, contender: string, latencyMs: number, recordsPerSecond = 1_000): PeerSample {
  const recorder = new LatencyRecorder()
  recorder.record(latencyMs)
  return { ...sampleOf(round, contender, recordsPerSecond), intendedLatency: recorder.summary() }
}

function workOf (name: PeerWorkloadName, samples: PeerSample[]): PeerWorkloadResult {
  const workload = PEER_WORKLOADS[name]
  return {
    name,
    workload,
    startedAt: '2026-01-01T00:00:00.000Z',
    loadAverageAtStart: 0.5,
    source: { commit: '0123456789abcdef', dirty: false },
    samples,
    contenders: [...CONTENDERS],
    rows: peerRows(workload, CONTENDERS, samples),
    skipped: [{ contender: 'absent', title: 'Absent', reason: 'absentd is not installed: apt-get install absent' }],
  }
}

function resultOf (...workloads: PeerWorkloadResult[]): PeersResult {
  return {
    format: PEERS_FORMAT,
    rounds: 3,
    warmupMs: 1_000,
    durationMs: 2_000,
    machine: { cores: 2, processor: 'A <fast> one', memoryBytes: 1, kernel: 'Linux', architecture: 'x64', node: 'v20', disk: null },
    workloads,
  }
}

const PRODUCE = workOf('produce-100', rateSamples({
  sluice: [1_000, 1_200, 900], 'bare overlap': [2_000, 2_000, 2_000], fast: [500, 400, 300], safe: [10, 10, 10],
}))
const LATENCY = workOf('e2e-1000', [1, 2, 3].flatMap(round => [
  latencySample(round, 'sluice', 1), latencySample(round, 'fast', 2), latencySample(round, 'safe', 4, 900),
]))

t.test('Peers: Sluice is divided by each of the others in the same round', async t => {
  const [sluice, bare, fast, safe, ...others] = PRODUCE.rows
  t.same(others, [], 'who has no sample has no row')
  t.equal(sluice!.ratio, null)
  t.same(bare!.ratio!.recordsPerSecond, { median: 0.5, min: 0.45, max: 0.6 })
  t.same(fast!.ratio!.recordsPerSecond, { median: 3, min: 2, max: 3 })
  t.same(safe!.ratio!.recordsPerSecond, { median: 100, min: 90, max: 120 })
  t.equal(fast!.serverCores, null, 'what is not known of a server is null')
  t.equal(safe!.serverCores!.median, 0.5)
})

t.test('Peers: rounds that only one of both has make no ratio (a run that was ended early)', async t => {
  const rows = peerRows(PRODUCE.workload, CONTENDERS, rateSamples({ sluice: [100, 100], fast: [50], safe: [] }))
  t.same(rows.map(({ contender }) => contender), ['sluice', 'fast'])
  t.same(rows[1]!.ratio!.recordsPerSecond, { median: 2, min: 2, max: 2 })
})

t.test('Peers: who does not keep the schedule is told to have fallen behind, and is not the best', async t => {
  t.same(LATENCY.rows.map(({ keptUp }) => keptUp), [true, true, false])
  const table = peersTable(resultOf(LATENCY))
  t.match(table, /Safe +synced before the reply +900 \(fell behind\)/)
  t.match(table, /^end to end 1,024 B at 1,000\/s: p50 0\.50 \(0\.50–0\.50\), p99 0\.50 \(0\.50–0\.50\) of the best of all peers \(Fast <one>\)$/m)
})

t.test('Peers: the table has a section for each workload, what it comes to, and who is missing', async t => {
  const lines = peersTable(resultOf(PRODUCE, LATENCY)).split('\n')
  t.match(lines[1], /^commit 0123456789ab, from 2026.*load average 0\.5 to 0\.5 before$/)
  t.equal(lines[2], 'beside it: fast 1.0; safe 2.0')
  for (const title of ['produce 100 B', 'end to end 1,024 B at 1,000/s']) {
    const at = lines.indexOf(title)
    t.ok(at > 0 && lines[at - 1] === '' && /^ {2}Sluice /.test(lines[at + 1]!), title)
  }
  t.match(lines.find(line => /^ {2}Fast/.test(line)), /page cache +400 +300–500 .* 3\.00 \(2\.00–3\.00\)/)
  const best = lines.filter(line => line.startsWith('produce 100 B:'))
  t.same(best, ['produce 100 B: 100.00 (90.00–120.00) times the best peer that syncs before it acknowledges (Safe); ' +
    '3.00 (2.00–3.00) times the best of all peers (Fast <one>)'], 'the bare loop is no peer')
  t.same(lines.filter(line => line.startsWith('not measured')), [
    'not measured: Absent: absentd is not installed: apt-get install absent',
  ], 'once, for all workloads')
})

t.test('Peers: page and plot need nothing from elsewhere', async t => {
  const result = resultOf(PRODUCE, LATENCY)
  const page = peersPage(result)
  t.match(page, /^<!doctype html>[^]*<svg [^]*<\/svg>[^]*<table>[^]*<\/html>\n$/)
  const plot = peersPlot(result)
  t.match(plot, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"[^]*prefers-color-scheme: dark[^]*<\/svg>\n$/)
  for (const text of [page, plot.replace(/ xmlns="[^"]*"/, '')]) {
    t.notMatch(text, /<script|<link|<img|https?:|@import|url\(|NaN|Infinity|undefined/)
    t.match(text, 'Fast &#60;one&#62;', 'texts are escaped')
    t.equal(text.match(/<circle /g)!.length, PRODUCE.rows.length + LATENCY.rows.length)
    t.equal(text.match(/class="point marked"/g)!.length, 2, 'Sluice is marked')
    t.equal(text.match(/class="point open"/g)!.length, 2, 'what is not synced is open')
  }
  t.equal(unclosed(plot), '', 'the plot is well-formed')
})

t.test('Peers: a window in which nothing was done has its place in the plot', async t => {
  const rows = rateSamples({ sluice: [100], fast: [0] })
  t.notMatch(peersPlot(resultOf(workOf('produce-100', rows))), /NaN|Infinity/)
})

t.test('Peers: every peer does something, and says what its word is worth', async t => {
  const names = new Set(PEER_WORKLOAD_NAMES.map(name => PEER_WORKLOADS[name].name))
  for (const name of PEER_NAMES) {
    const { workloads, stored, settled } = peerOf(name)
    t.ok(workloads.length > 0 && workloads.every(workload => names.has(workload as never)), name)
    t.equal(settled !== undefined, workloads.includes('queue'), `${name}: an ack of a queue has its meaning`)
    for (const { means, isSynced } of settled === undefined ? [stored] : [stored, settled]) {
      t.equal(/synced before/.test(means), isSynced, `${name}: ${means}`)
    }
  }
  t.equal(new Set(PEER_WORKLOAD_NAMES.map(peerWorkloadTitle)).size, PEER_WORKLOAD_NAMES.length)
})
