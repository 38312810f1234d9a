// The client libraries of other servers. They are no part of the installation: who wants to compare installs them, in
// the versions that libraries/package.json names, into a folder of the cache; drivers load them from there.

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { copyFile, mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { BenchError } from '../bench-error.js'
import type { PeerClientName } from './peer-table.js'

const MANIFEST = join(import.meta.dirname, 'libraries', 'package.json')

/** What each client loads. */
const LIBRARIES: Readonly<Record<PeerClientName, readonly string[]>> = {
  jetstream: ['nats'],
  'redis-stream': ['ioredis'],
  'rabbitmq-stream': ['rabbitmq-stream-js-client'],
  'rabbitmq-sub-batches': ['rabbitmq-stream-js-client'],
  'rabbitmq-quorum': ['amqplib'],
  bullmq: ['bullmq', 'ioredis'],
  beanstalkd: ['jackd'],
}

/** Folder of the cache for these libraries; another list of them is another folder. */
export function librariesFolder (): string {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache')
  const version = createHash('sha256').update(readFileSync(MANIFEST)).digest('hex').slice(0, 12)
  return join(cache, 'sluice', `bench-peers-${version}`)
}

/** Installs the libraries with npm. @throws BenchError with what npm says. */
export async function installLibraries (folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await copyFile(MANIFEST, join(folder, 'package.json'))
  const npm = spawn('npm', ['install', '--ignore-scripts', '--omit=optional', '--no-package-lock', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: folder, stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [npm.stdout, npm.stderr]) stream.setEncoding('utf8').on('data', (text: string) => { said += text })
  const problem = await new Promise<string | null>(resolve => {
    npm.once('error', error => resolve(error.message))
    npm.once('close', code => resolve(code === 0 ? null : said.trim() || `npm ended with code ${code}`))
  })
  if (problem !== null) {
    throw new BenchError(1, `the client libraries could not be installed into ${folder}: ${problem}; see that the npm registry ` +
      'is within reach, or name a folder that has them with --libraries')
  }
}

/** The libraries of a client with their versions, `nats 2.29.3`; null where one is missing. */
export function librariesOf (client: PeerClientName, folder: string): string | null {
  const versions: string[] = []
  for (const name of LIBRARIES[client]) {
    try {
      const { version } = JSON.parse(readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8')) as { version: string }
      versions.push(`${name} ${version}`)
    } catch {
      return null
    }
  }
  return versions.join(', ')
}

/** Loads a library. `Library` is what is used of it. */
export function loadLibrary<Library> (folder: string, name: string): Library {
  return createRequire(join(folder, 'package.json'))(name) as Library
}
