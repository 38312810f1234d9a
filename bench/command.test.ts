// The command line: each subcommand for a moment, what it prints, and how it ends. Nothing here asserts a speed.

import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { benchCommand, runBench } from './command.js'
import type { GrowthResult } from './growth/growth-result.js'
import { longLogTable } from './long-log/long-log-report.js'
import type { LongLogResult } from './long-log/long-log-result.js'
import type { BenchResult } from './result.js'

t.setTimeout(240_000)

const MAIN = fileURLToPath(new URL('main.js', import.meta.url))
const SHORT = ['--rounds', '1', '--warmup', '50ms', '--duration', '200ms']

async function scratch (t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-command-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

function bench (...args: string[]): Promise<{ code: number | null, stdout: string, stderr: string }> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const texts = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => { texts[name] += text })
  }
  return new Promise(resolve => child.once('close', code => resolve({ code, ...texts })))
}

/** The same in this process, which saves starting one. */
async function benchHere (t: Test, ...args: string[]): Promise<{ code: number, stdout: string, stderr: string }> {
  const { isTTY } = process.stderr
  process.stderr.isTTY = false
  const stdout = t.capture(process.stdout, 'write', () => true)
  const stderr = t.capture(process.stderr, 'write', () => true)
  const code = await runBench(args)
  const textOf = (calls: { args: unknown[] }[]): string => calls.map(({ args: [text] }) => String(text)).join('')
  const texts = { stdout: textOf(stdout()), stderr: textOf(stderr()) }
  stdout.restore()
  stderr.restore()
  process.stderr.isTTY = isTTY
  return { code, ...texts }
}

/** Runs with `-o json` and reads what came out. */
async function benchJson<Result> (t: Test, ...args: string[]): Promise<Result> {
  const { code, stdout, stderr } = await benchHere(t, ...args, '-o', 'json')
  t.equal(code, 0, stderr)
  t.equal(stderr, '', 'no progress where there is no terminal')
  return JSON.parse(stdout) as Result
}

t.test('sluice bench produce, and compare with itself and with a worse one', async t => {
  const folder = await scratch(t)
  const [before, after] = [join(folder, 'before.json'), join(folder, 'after.json')]
  const { code, stdout } = await bench('produce', ...SHORT, '--bare', 'append', '--folder', folder, '--out', before)
  t.equal(code, 0)
  t.match(stdout, /sluice[^]*bare append[^]*sluice by bare append: rate/)
  const result = JSON.parse(await readFile(before, 'utf8')) as BenchResult
  t.equal((await benchHere(t, 'compare', before, before)).code, 2, 'one round is too few')
  // Rounds more, and rates that are known: what a comparison says must not hang on the machine.
  result.samples = [1, 2, 3].flatMap(round => result.samples.map(sample =>
    ({ ...sample, round, recordsPerSecond: (sample.contender === 'sluice' ? 100 : 200) + round })))
  await writeFile(before, JSON.stringify(result))
  const same = await benchHere(t, 'compare', before, before)
  t.equal(same.code, 0)
  t.match(same.stdout, /bare append +1\.000[^]*no regression beyond 5 %/)
  for (const sample of result.samples) if (sample.contender === 'sluice') sample.recordsPerSecond /= 2
  await writeFile(after, JSON.stringify(result))
  const worse = await benchHere(t, 'compare', before, after)
  t.equal(worse.code, 1)
  t.match(worse.stdout, /0\.500[^]*REGRESSION[^]*1 regression beyond 5 %/)
  t.equal((await benchHere(t, 'compare', after, before)).code, 0)
  t.same((await readdir(folder)).sort(), ['after.json', 'before.json'], 'the data is gone')
})

t.test('sluice bench compare: files that are no results', async t => {
  const path = join(await scratch(t), 'x.json')
  const older = '{"format":"sluice-bench/0","workload":{"name":"e2e"},"samples":[]}'
  for (const text of ['{', 'null', '{}', '[]', '{"format":"sluice-bench/1"}', older]) {
    await writeFile(path, text)
    const { code, stderr } = await benchHere(t, 'compare', path, path)
    t.equal(code, 2, text)
    t.match(stderr, /^bench: .*x\.json is no (JSON|result)[^]*--out FILE\n$/, text)
  }
})

t.test('sluice bench find-rate, and a workload file', async t => {
  const folder = await scratch(t)
  const found = await benchJson<{ format: string, rate: number, trials: { rate: number }[] }>(
    t, 'find-rate', ...SHORT, '--start', '50', '--max', '50', '--p99', '60s', '--folder', folder)
  t.equal(found.format, 'sluice-bench-rate/1')
  t.same(found.trials.map(({ rate }) => rate), found.rate === 50 ? [50] : found.trials.map(({ rate }) => rate))
  const path = join(folder, 'workload.yaml')
  await writeFile(path, 'name: short\nmessageSize: 64\npartitionsPerTopic: 2\nproducerRate: 200\n')
  const result = await benchJson<BenchResult>(t, 'run', path, '--warmup', '100ms', '--duration', '300ms')
  t.match(result, { format: 'sluice-bench/1', workload: { name: 'messaging', rate: 200, partitionsPerTopic: 2 }, durationMs: 300 })
  await writeFile(path, 'messageSize: 64\nproducerrate: 200\n')
  const mistaken = await benchHere(t, 'run', path)
  t.equal(mistaken.code, 2)
  t.match(mistaken.stderr, /producerrate is not known; known are/)
})

t.test('sluice bench sweep and partitions write their reports', async t => {
  const folder = await scratch(t)
  const html = join(folder, 'sweep.html')
  const sweep = await benchJson<{ format: string, points: unknown[], recommendation: object }>(
    t, 'sweep', ...SHORT, '--batch', 'auto,50', '--linger', '0ms', '--partitions', '1', '--acks', 'quorum', '--codec', 'none',
    '--in-flight', 'auto', '--flush', 'sync', '--folder', folder, '--html', html)
  t.equal(sweep.format, 'sluice-bench-sweep/1')
  t.equal(sweep.points.length, 2)
  t.match(await readFile(html, 'utf8'), /<svg /)
  const partitions = await benchHere(t, 'partitions', ...SHORT, '--counts', '1,3', '--html', html)
  t.equal(partitions.code, 0, partitions.stderr)
  t.match(partitions.stdout, /partitions +records\/s[^]*\n3 /)
  t.match(await readFile(html, 'utf8'), /Memory of the broker/)
})

t.test('sluice bench growth measures the axes that it is asked for, and plots them', async t => {
  const folder = await scratch(t)
  const html = join(folder, 'growth.html')
  const growth = await benchJson<GrowthResult>(
    // Long enough that something is done on a busy machine: there is only one round.
    t, 'growth', '--rounds', '1', '--warmup', '100ms', '--duration', '1s',
    '--axes', 'groups,partitions', '--up-to', '1', '--folder', folder, '--html', html)
  t.equal(growth.format, 'sluice-bench-growth/1')
  t.same(growth.axes.map(({ name }) => name), ['groups', 'partitions'])
  for (const { curves } of growth.axes) {
    for (const { label, points: [point] } of curves) t.ok(point!.brokerMicroseconds.median > 0, label)
  }
  t.equal((await readFile(html, 'utf8')).match(/<svg /g)!.length, 2)
})

t.test('sluice bench limit measures disk, loopback, checksum and the bare loop', async t => {
  const result = await benchJson<{
    disk: { mode: string, syncsPerSecond: { median: number }, latency: { count: number } }[]
    tcp: { bytesPerSecond: { median: number }, roundTrip: { count: number } }
    checksum: { bytesPerSecond: { median: number } }[]
    bareLoop: BenchResult[]
  }>(t, 'limit', '--rounds', '1', '--warmup', '10ms', '--duration', '40ms', '--sizes', '100', '--prewritten', '1048576')
  t.equal(result.disk.length, 8)
  for (const { mode, syncsPerSecond, latency } of result.disk) {
    t.ok(syncsPerSecond.median > 0 && latency.count > 0, mode)
  }
  t.ok(result.tcp.bytesPerSecond.median > 0 && result.tcp.roundTrip.count > 0)
  for (const { bytesPerSecond } of result.checksum) t.ok(bytesPerSecond.median > 0)
  t.same(result.bareLoop.map(({ summaries }) => summaries.length), [3])
})

t.test('sluice bench: what it does not know is a mistake of usage (2)', async t => {
  const mistakes: [string[], RegExp][] = [
    [[], /a subcommand is missing/],
    [['prodce'], /unknown command 'prodce'[^]*produce/],
    [['produce', '--size', 'x'], /--size[^]*whole number from 1/],
    [['produce', '--duration', '0s'], /--duration[^]*1ms or more/],
    [['produce', '--bare', 'fast'], /--bare[^]*of append, overlap, prewritten/],
    [['sweep', '--codec', 'none,rar'], /--codec[^]*of none, /],
    [['produce', '--no-sluice', '--no-bare'], /nothing to measure/],
    [['peers', '--resume'], /--resume goes with --out/],
    [['peers', '--plot', 'peers.png'], /neither \.svg nor \.html/],
    [['peers', '--peers', 'kafka'], /--peers[^]*of jetstream, /],
    [['produce', ...SHORT, '--folder', '/dev/null/x'], /no folder can be made[^]*--folder/],
  ]
  for (const [args, message] of mistakes) {
    const { code, stderr, stdout } = await benchHere(t, ...args)
    t.equal(code, 2, args.join(' '))
    t.match(stderr, message)
    t.equal(stdout, '')
  }
})

t.test('sluice bench: every help begins with three real examples', async t => {
  const names = benchCommand(async () => {}).commands.map(command => command.name())
  t.ok(names.length >= 12)
  for (const name of names) {
    const { code, stdout } = await benchHere(t, name, '--help')
    t.equal(code, 0)
    t.match(stdout, /^Examples:\n(?: {2}sluice bench \S.*\n){3,}\nUsage: /, name)
  }
})

t.test('sluice bench long-log: reads every place, and is back after a stop and a kill', async t => {
  const folder = await scratch(t)
  const result = await benchJson<LongLogResult>(t, 'long-log', '--records', '20000', '--read', '5000', '--rounds', '1',
    '--folder', folder)
  t.equal(result.lagRecords, 20_000)
  t.same(result.readings.map(({ place }) => place), ['short', 'start', 'middle', 'end'])
  t.ok(result.readings.every(({ recordsPerSecond }) => recordsPerSecond.median > 0))
  t.ok(result.afterStop.readyMs > 0 && result.afterKill.readMs >= result.afterKill.readyMs)
  t.ok(Math.min(...Object.values(result.rssBytes)) > 0)
  t.match(longLogTable(result), /its middle[^]*start after kill -9: ready after[^]*memory of the broker/)
  t.same(await readdir(folder), [], 'the data is gone')
  t.equal((await benchHere(t, 'long-log', '--records', '10', '--read', '11')).code, 2)
})
