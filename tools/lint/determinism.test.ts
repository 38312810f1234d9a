// The core of the broker takes events and acts through what it was given: no clock, no timer, no randomness, no
// process. So a simulator can run it, and a fault that it finds can be found again.

import t from 'tap'
import { importsOf, productSources, withoutComments } from './sources.js'

const CORE = /^broker\/(partition|group|queue|replica|placement)\//

/** Files that open, delete, replay and clean logs: asynchronous at the border of the core, and nothing else. */
const ASYNCHRONOUS: ReadonlySet<string> = new Set([
  'broker/partition/dead-letter-index.ts', // reads back where dead letters went
  'broker/partition/partition-table.ts',
  'broker/partition/partition.ts',
  'broker/partition/state-image-writer.ts', // once, before a partition opens
  'broker/queue/evacuation.ts', // rewrites segments, in the background
])

const IMPURE: readonly [string, RegExp][] = [
  ['the clock', /\bDate\.|\bnew Date\b|\bperformance\.|\bhrtime\b/],
  ['randomness', /\bMath\.random\b|\brandomBytes\b|\brandomUUID\b|\brandomInt\b/],
  ['a timer', /\bset(Timeout|Interval|Immediate)\b|\bqueueMicrotask\b|\bnextTick\b/],
  ['the process', /\bprocess\./],
]

const PROCESS_READS = /\bprocess\.(?:versions?|pid|ppid|platform|arch|memoryUsage|hrtime|cpuUsage)\b/g

t.test('Lint: the core of the broker has no clock, timer, randomness or process of its own', async t => {
  for (const { path, text } of productSources()) {
    if (!CORE.test(path)) continue
    const code = withoutComments(text)
    for (const [what, pattern] of IMPURE) if (pattern.test(code)) t.fail(`${path} uses ${what}: take it as a parameter`)
    for (const imported of importsOf(text)) {
      if (imported.startsWith('node:') && imported !== 'node:assert') t.fail(`${path} imports ${imported}`)
    }
  }
})

t.test('Lint: the core of the broker is synchronous', async t => {
  for (const { path, text } of productSources()) {
    if (!CORE.test(path) || ASYNCHRONOUS.has(path)) continue
    if (/\basync\b|\bawait\b|\bnew Promise\b|\bPromise\./.test(withoutComments(text))) {
      t.fail(`${path} waits: let the answer come back as an event`)
    }
  }
})

t.test('Lint: of the broker only main.ts touches the process', async t => {
  for (const { path, text } of productSources()) {
    if (!path.startsWith('broker/') || path === 'broker/main.ts') continue
    if (/\bprocess\./.test(withoutComments(text).replace(PROCESS_READS, ''))) t.fail(`${path} touches the process`)
  }
})

t.test('Lint: the protocol does no I/O and knows no time', async t => {
  for (const { path, text } of productSources()) {
    if (!path.startsWith('protocol/') || /^protocol\/generate/.test(path)) continue
    const code = withoutComments(text)
    for (const [what, pattern] of IMPURE) if (pattern.test(code)) t.fail(`${path} uses ${what}`)
    for (const imported of importsOf(text)) {
      if (/^node:(fs|net|tls|http|child_process|worker_threads|timers)/.test(imported)) t.fail(`${path} imports ${imported}`)
    }
  }
})
