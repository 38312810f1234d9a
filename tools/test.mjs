// `npm test`: makes the checkout ready, then checks style and generated files and runs every test of every package.
//
//   setup ─ etcd ─ tap over every dist/**/*.test.js that has a source, and beside it eslint and the generated files
//
// A line per test file on standard output, the failures in full, and last of all exactly `N passed, N failed`. What
// counts is a named test (each `t.test` of a file; a file without any counts as one), and each of the two checks. A
// file that breaks outside of its tests counts as one that failed. Nothing run is a failure too.
//
// Arguments narrow the run: `npm test -- storage client/connection` runs the test files below these folders only.

import { execFile, spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { installEtcd } from './install-etcd.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const PACKAGES = ['protocol', 'storage', 'broker', 'client', 'tools', 'bench']
const TAP = `${root}node_modules/tap/dist/esm/run.mjs`
const FILE_TIMEOUT_S = 600
const wanted = process.argv.slice(2)

if (spawnSync(process.execPath, [`${root}tools/setup.mjs`], { cwd: root, stdio: 'inherit' }).status !== 0) {
  finish(0, 1)
}

const total = { passed: 0, failed: 0 }
const files = testFiles()
if (files.some(path => path.startsWith('tools/'))) installEtcd()
await Promise.all([
  ...(wanted.length > 0
    ? []
    : [
        check('style (eslint)', [`${root}node_modules/eslint/bin/eslint.js`, '.']),
        check('generated files of the protocol', [`${root}protocol/dist/generate.js`, '--check']),
      ]),
  runTap(files),
])
finish(total.passed, total.failed)

/** Runs one check; what it says is shown where it fails. */
function check (name, args) {
  const startedAtMs = performance.now()
  return new Promise(resolve => {
    execFile(process.execPath, args, { cwd: root, maxBuffer: Infinity }, (error, stdout, stderr) => {
      const passed = error === null
      if (passed) total.passed++
      else total.failed++
      say(passed, name, '', performance.now() - startedAtMs)
      if (!passed) process.stdout.write(`${stdout}${stderr}`)
      resolve()
    })
  })
}

/** Compiled test files that still have their source, relative to the root. */
function testFiles () {
  const found = []
  for (const name of PACKAGES) {
    const dist = `${root}${name}/dist`
    if (!existsSync(dist)) continue
    for (const path of readdirSync(dist, { recursive: true })) {
      if (!path.endsWith('.test.js')) continue
      const source = `${name}/${path.slice(0, -3)}.ts`
      if (!existsSync(root + source)) continue
      if (wanted.length === 0 || wanted.some(folder => source.startsWith(folder))) found.push(`${name}/dist/${path}`)
    }
  }
  return found.sort()
}

/**
 * tap builds itself of the plugins that `.taprc` leaves in. Where it does that within a run, the processes of that run
 * still load the others, which takes each of them longer than most of the tests.
 */
function buildTap () {
  const built = `${root}node_modules/@tapjs/test/test-built/dist/esm/index.js`
  if (existsSync(built) && !readFileSync(built, 'utf8').includes('@tapjs/typescript')) return
  spawnSync(process.execPath, [TAP, 'build'], { cwd: root, stdio: ['ignore', 2, 2] })
}

/** Runs the files with tap, a few at a time, and adds up their results. */
async function runTap (files) {
  if (files.length === 0) return
  buildTap()
  // Loaded only now: before the set-up there may be no packages.
  const { Parser } = await import('tap-parser')
  // Tests of processes wait for each other much of the time.
  const jobs = availableParallelism() + 1
  const tap = spawn(process.execPath, [
    TAP, 'run', '--disable-coverage', '--reporter=tap', `--jobs=${jobs}`,
    `--timeout=${FILE_TIMEOUT_S}`, '--no-color', ...files,
  ], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
  const parser = new Parser()
  let counted = 0
  const ran = new Map()
  parser.on('child', child => {
    const file = { tests: [], failures: [], outcome: null }
    ran.set(child.name, file)
    collectTests(child, file.tests)
    collectFailures(child, file.failures)
    child.once('complete', results => { file.outcome = results })
  })
  // What tap says of the whole file: also where each test in it passed, and the process still ended badly.
  parser.on('assert', result => {
    const file = ran.get(result.name)
    if (file === undefined) return
    counted++
    report(result, file)
  })
  tap.stdout.pipe(parser)
  const status = await new Promise(resolve => {
    tap.once('close', resolve)
    tap.once('error', error => {
      process.stdout.write(`tap could not be started: ${error.message}\n`)
      resolve(1)
    })
  })
  if (counted < files.length) {
    total.failed += files.length - counted
    process.stdout.write(`${files.length - counted} test files gave no results\n`)
  } else if (status !== 0 && total.failed === 0) {
    total.failed++
    process.stdout.write(`tap ended with exit code ${status} although no test failed\n`)
  }
}

/** Gathers the results of the named tests of one file, in order. */
function collectTests (file, tests) {
  const named = new Set()
  file.on('child', test => named.add(test.name))
  file.on('assert', result => tests.push({ ...result, named: named.has(result.name) }))
}

/** Gathers what failed in a test and the tests in it: of a test that failed by what is in it, only that. */
function collectFailures (test, failures) {
  const inner = new Map()
  test.on('child', child => {
    const below = []
    inner.set(child.name, below)
    collectFailures(child, below)
  })
  test.on('assert', result => {
    if (result.ok || result.skip || result.todo) return
    const below = inner.get(result.name) ?? []
    failures.push(...(below.length > 0 ? below : [result]))
  })
}

/** One line for a file, and every failure in it. */
function report (result, { tests, failures, outcome }) {
  const source = result.name.replace('/dist/', '/').replace(/\.js$/, '.ts')
  const named = tests.filter(test => test.named && !test.skip && !test.todo)
  const failed = named.filter(test => !test.ok)
  let passedCount = named.length - failed.length
  let failedCount = failed.length
  if (!result.ok && failedCount === 0) failedCount = 1
  else if (result.ok && named.length === 0 && !outcome.skip) passedCount = 1
  total.passed += passedCount
  total.failed += failedCount
  const skipped = tests.filter(test => test.skip)
  const counts = [`${passedCount} passed`]
  if (failedCount > 0) counts.push(`${failedCount} failed`)
  if (skipped.length > 0) counts.push(`${skipped.length} skipped`)
  say(result.ok, source, counts.join(', '), result.time)
  for (const { name, skip } of skipped) {
    process.stdout.write(`       skipped: ${name}${typeof skip === 'string' ? ` (${skip})` : ''}\n`)
  }
  if (result.ok) return
  // What a file says of itself as a whole, such as that it took too long, is no result of a test.
  const ofTheFile = outcome.failures.filter(({ tapError }) => tapError !== undefined && tapError !== null)
  const shown = [...failures, ...ofTheFile]
  for (const failure of shown.length > 0 ? shown : [result]) showFailure(failure, '       ')
  if (outcome.bailout) process.stdout.write(`       gave up: ${outcome.bailout}\n`)
}

/** A failure with its place and difference. */
function showFailure (failure, indent) {
  const { name, fullname, diag } = failure
  process.stdout.write(`${indent}not ok: ${fullname || name || failure.tapError}\n`)
  if (diag === null || diag === undefined) return
  const { at, diff, found, wanted: expected, stack, error, exitCode, signal, timeout } = diag
  const place = at?.fileName === undefined ? undefined : `${at.fileName}:${at.lineNumber}`
  const fields = { place, error, exitCode, signal, timeout, diff, found, expected, stack }
  for (const [label, value] of Object.entries(fields)) {
    if (value === undefined || value === null) continue
    if (diff !== undefined && (label === 'found' || label === 'expected')) continue
    const text = typeof value === 'string' ? value.trimEnd() : JSON.stringify(value)
    process.stdout.write(`${indent}  ${label}: ${text.replaceAll('\n', `\n${indent}    `)}\n`)
  }
}

function say (passed, name, counts, ms) {
  const time = ms === undefined || ms === null ? '' : `${(ms / 1000).toFixed(1)} s`
  process.stdout.write(`${passed ? 'ok    ' : 'FAILED'} ${name.padEnd(60)} ${counts.padEnd(12)} ${time.padStart(8)}\n`)
}

/** The last line of all. */
function finish (passed, failed) {
  process.stdout.write(`${passed} passed, ${failed} failed\n`)
  process.exit(failed > 0 || passed === 0 ? 1 : 0)
}
