// The checks of `sluice doctor`. Each looks at one thing and says what it found and what to do about it.

import { mkdtemp, open, readFile, rm, stat, statfs } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { availableParallelism, totalmem } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import type { BrokerOptions } from './command.js'
import { explainError } from './explain-error.js'
import { formatBytes } from './quantities.js'
import { withClient } from './session.js'

export interface DoctorFinding {
  readonly check: string
  readonly status: 'ok' | 'warn' | 'fail'
  readonly found: string
  /** What to do; empty where nothing is. */
  readonly advice: string
}

export interface DoctorScope {
  /** Folder whose disk is looked at; it need not be there yet. */
  readonly folder: string
  /** Address that a broker is to take; null to leave that out. */
  readonly listen: { readonly host: string, readonly port: number } | null
}

const MiB = 1024 * 1024
const FSYNC_ROUNDS = 50
const FSYNC_BYTES = 4096
const OPEN_FILES_WANTED = 4096
const CLOCK_EARLIEST_MS = Date.UTC(2024, 0, 1)
const CLOCK_SKEW_MS_MAX = 1000

/** Everything about the machine. */
export async function checkMachine (scope: DoctorScope): Promise<DoctorFinding[]> {
  const folder = await nearestFolder(resolve(scope.folder))
  const findings = [checkNode(), ...checkNativeModules(), await checkOpenFiles(), checkMemory(), checkThreadPool()]
  findings.push(await checkDisk(folder), await checkFsync(folder), checkClock())
  if (scope.listen !== null) findings.push(await checkPort(scope.listen))
  return findings
}

/** What a running broker says of itself. No broker is a warning: it may not be started yet. */
export async function checkBroker (options: BrokerOptions): Promise<DoctorFinding[]> {
  const address = options.brokers.join(',')
  try {
    return await withClient({ ...options, timeout: Math.min(options.timeout, 3000) }, async client => {
      const broker = await client.admin.describeBroker()
      const findings: DoctorFinding[] = [
        ok('broker', `${address}: version ${broker.version}, ${broker.topics} topics, ${broker.partitions} partitions, ` +
          `${broker.connections} connections, ${formatBytes(broker.rssBytes)} resident`),
        checkEventLoop(broker.eventLoopDelayP99Us / 1000),
        spaceFinding('broker disk', broker.diskFreeBytes, broker.diskTotalBytes),
      ]
      if (broker.failedPartitions > 0) {
        findings.push({
          check: 'partitions',
          status: 'fail',
          found: `${broker.failedPartitions} not online`,
          advice: 'sluice topic describe NAME says why; a failed one comes back with a restart of the broker',
        })
      }
      return findings
    })
  } catch (error) {
    return [{ check: 'broker', status: 'warn', found: explainError(error).text, advice: 'start one with sluice broker, or leave this out with --no-broker' }]
  }
}

function ok (check: string, found: string): DoctorFinding {
  return { check, status: 'ok', found, advice: '' }
}

function checkNode (): DoctorFinding {
  return ok('node', `${process.version} on ${process.platform} ${process.arch}, ${availableParallelism()} processors`)
}

function checkNativeModules (): DoctorFinding[] {
  const require = createRequire(import.meta.resolve('@sluice/storage'))
  const requireFromProtocol = createRequire(import.meta.resolve('@sluice/protocol'))
  const findings: DoctorFinding[] = []
  try {
    require('node-lmdb')
    findings.push(ok('node-lmdb', 'loads'))
  } catch (error) {
    findings.push({
      check: 'node-lmdb',
      status: 'fail',
      found: (error as Error).message.split('\n')[0]!,
      advice: 'install python3, make and g++, see that npm may run install scripts, then: npm rebuild node-lmdb',
    })
  }
  try {
    createRequire(requireFromProtocol.resolve('fast-crc32c'))('sse4_crc32')
    findings.push(ok('sse4_crc32', 'loads'))
  } catch {
    findings.push({
      check: 'sse4_crc32',
      status: 'warn',
      found: 'not built: checksums are made in JavaScript, some 20 times slower',
      advice: 'install python3, make and g++, then: npm rebuild sse4_crc32',
    })
  }
  return findings
}

async function checkOpenFiles (): Promise<DoctorFinding> {
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '')
  const match = /^Max open files\s+(\S+)/m.exec(limits)
  if (match === null) return ok('open files', 'limit not known on this system')
  const limit = match[1] === 'unlimited' ? Infinity : Number(match[1])
  if (limit >= OPEN_FILES_WANTED) return ok('open files', `limit ${match[1]}`)
  return {
    check: 'open files',
    status: 'warn',
    found: `limit ${limit}`,
    advice: `raise it to ${OPEN_FILES_WANTED} or more (ulimit -n, or LimitNOFILE= of systemd), or lower --max-connections and --open-files`,
  }
}

function checkMemory (): DoctorFinding {
  const bytes = Math.min(process.constrainedMemory() > 0 ? process.constrainedMemory() : Infinity, totalmem())
  if (bytes >= 1024 * MiB) return ok('memory', formatBytes(bytes))
  return { check: 'memory', status: 'warn', found: formatBytes(bytes), advice: 'below 1 GiB lower --tail-cache-bytes and --max-held-bytes' }
}

function checkThreadPool (): DoctorFinding {
  return ok('thread pool', `UV_THREADPOOL_SIZE ${process.env.UV_THREADPOOL_SIZE ?? 'not set (4)'}`)
}

async function checkDisk (folder: string): Promise<DoctorFinding> {
  const { bavail, blocks, bsize } = await statfs(folder)
  return spaceFinding('disk', bavail * bsize, blocks * bsize)
}

function spaceFinding (check: string, freeBytes: number, totalBytes: number): DoctorFinding {
  const found = `${formatBytes(freeBytes)} of ${formatBytes(totalBytes)} free`
  if (freeBytes < 256 * MiB) return { check, status: 'fail', found, advice: 'free some space: partitions turn read-only where it runs out' }
  if (freeBytes < totalBytes * 0.1) return { check, status: 'warn', found, advice: 'less than a tenth is free: shorten retention or add space' }
  return ok(check, found)
}

/** Times what every acknowledgement waits for: a small overwrite and fdatasync, in the folder itself. */
async function checkFsync (folder: string): Promise<DoctorFinding> {
  let scratch: string
  try {
    scratch = await mkdtemp(join(folder, '.sluice-doctor-'))
  } catch (error) {
    return { check: 'fsync', status: 'fail', found: (error as Error).message, advice: 'the broker must be able to write here: mend owner and mode, or choose another --data' }
  }
  try {
    const file = await open(join(scratch, 'probe'), 'w')
    const times: number[] = []
    try {
      const block = Buffer.alloc(FSYNC_BYTES, 1)
      for (let round = 0; round < FSYNC_ROUNDS; round++) {
        const startedAtMs = performance.now()
        await file.write(block, 0, FSYNC_BYTES, 0)
        await file.datasync()
        times.push(performance.now() - startedAtMs)
      }
    } finally {
      await file.close()
    }
    times.sort((a, b) => a - b)
    const p50 = times[Math.floor(times.length / 2)]!
    const found = `p50 ${p50.toFixed(2)} ms, max ${times.at(-1)!.toFixed(2)} ms`
    if (p50 <= 20) return ok('fsync', found)
    return { check: 'fsync', status: 'warn', found, advice: 'every acknowledgement waits for one: use a faster disk, or flush=interval where some loss at a power cut is acceptable' }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

function checkClock (): DoctorFinding {
  // The wall clock should run with the monotonic one: what they differ by since the start is a jump.
  const drift = Math.abs(Date.now() - (performance.timeOrigin + performance.now()))
  const now = new Date().toISOString()
  if (Date.now() < CLOCK_EARLIEST_MS) {
    return { check: 'clock', status: 'fail', found: now, advice: 'the clock is wrong: retention by age depends on it' }
  }
  if (drift > CLOCK_SKEW_MS_MAX) {
    return { check: 'clock', status: 'warn', found: `${now}, jumped by ${Math.round(drift)} ms just now`, advice: 'see that time is kept by NTP, without jumps' }
  }
  return ok('clock', now)
}

function checkEventLoop (p99Ms: number): DoctorFinding {
  const found = `p99 delay ${p99Ms.toFixed(1)} ms`
  if (p99Ms < 100) return ok('event loop', found)
  return { check: 'event loop', status: 'warn', found, advice: 'the broker is short of processor time: fewer clients, larger batches, or more brokers' }
}

function checkPort (listen: { host: string, port: number }): Promise<DoctorFinding> {
  const name = `${listen.host}:${listen.port}`
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => {
      const advice = error.code === 'EADDRINUSE' ? 'something else listens there: stop it or choose another port' : 'choose an address of this machine'
      resolve({ check: 'port', status: 'fail', found: `${name}: ${error.code}`, advice })
    })
    server.listen(listen.port, listen.host, () => server.close(() => resolve(ok('port', `${name} is free`))))
  })
}

/** The folder, or the nearest one above it that is there. */
async function nearestFolder (path: string): Promise<string> {
  const found = await stat(path).catch(() => null)
  if (found?.isDirectory() === true) return path
  return path === dirname(path) ? path : await nearestFolder(dirname(path))
}
