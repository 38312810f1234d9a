// The demo: a real file through a real broker and back, with everything checked.
//
//   file ─▶ lines ─▶ topic with 4 partitions ─▶ group with 2 members ─▶ the same bytes, in order? ─▶ lag 0?
//
// Exit code 0 only where every byte came back in order; 1 otherwise; 2 for wrong arguments.

import { existsSync } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connect, type Client } from '@sluice/client'
import { CommanderError } from 'commander'
import { newCommand } from '../cli/command.js'
import { explainError } from '../cli/explain-error.js'
import { ProgressLine } from '../cli/progress-line.js'
import { formatBytes, formatCount, formatThroughput } from '../cli/quantities.js'
import { DemoBroker } from './demo-broker.js'
import { readThroughGroup } from './group-readers.js'
import { LineAudit } from './line-audit.js'
import { feedLines } from './line-feed.js'

interface DemoOptions { data?: string, keep?: boolean }

const PARTITIONS = 4
const GROUP = 'demo-readers'
/** The first that is there is taken: a log of the package manager, its database, a licence. */
const DEFAULT_FILES = ['/var/log/dpkg.log', '/var/lib/dpkg/status', '/usr/share/common-licenses/GPL-3',
  fileURLToPath(new URL('../../../README.md', import.meta.url))]

/** Runs the demo with these arguments; resolves with the exit code. */
export async function runDemo (args: readonly string[]): Promise<number> {
  const command = newCommand('demo', 'Stream a file through a broker and back, and check every byte.', [
    'npm run demo', 'npm run demo -- /var/log/syslog', 'npm run demo -- --keep --data ./data README.md',
  ])
  command.argument('[file]', 'the file; by default a log that every Debian machine has')
    .option('--data <folder>', 'keep the data in this folder (default: a temporary one, removed at the end)')
    .option('--keep', 'leave the broker running until Ctrl-C')
  try {
    command.parse(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode !== 0) process.stderr.write(`${error.message}\n`)
    return error.exitCode === 0 ? 0 : 2
  }
  const options = command.opts<DemoOptions>()
  const file = command.args[0] ?? DEFAULT_FILES.find(path => existsSync(path))!
  const data = options.data === undefined ? await mkdtemp(join(tmpdir(), 'sluice-demo-')) : resolve(options.data)
  try {
    const found = await stat(file)
    if (!found.isFile()) throw new Error(`${file} is not a file`)
    if (found.size === 0) throw new Error(`${file} is empty: there is nothing to stream`)
    return await runWithBroker(file, data, options)
  } catch (error) {
    const { text } = explainError(error)
    process.stderr.write(`demo: ${error instanceof Error && error.name === 'Error' ? error.message : text}\n`)
    return 1
  } finally {
    if (options.data === undefined) await rm(data, { recursive: true, force: true })
  }
}

async function runWithBroker (file: string, data: string, options: DemoOptions): Promise<number> {
  say(`file       ${file}, ${formatBytes((await stat(file)).size)}`)
  const broker = await DemoBroker.start(data)
  say(`broker     ready on ${broker.address}, data in ${data}`)
  const interrupted = new Promise<void>(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
  let isStopped = false
  try {
    const client = connect({ brokers: [broker.address], clientId: 'sluice-demo' })
    const ended = broker.exited.then((): never => { throw new Error('the broker ended') })
    ended.catch(() => {})
    const work = streamAndCheck(client, broker.address, file).finally(() => client.close({ drainTimeoutMs: 0 }))
    work.catch(() => {})
    const stopped = interrupted.then((): never => { throw new Error('interrupted') })
    stopped.catch(() => {})
    const { topic, faults } = await Promise.race([work, ended, stopped])
    if (faults > 0) return 1
    sayHowToGoOn(topic, broker.address, file, options)
    if (options.keep === true) {
      say('\nThe broker runs until Ctrl-C.')
      await Promise.race([interrupted, broker.exited])
    }
    const exitCode = await broker.stop()
    isStopped = true
    if (exitCode === 0) return 0
    process.stderr.write(`demo: the broker ended with exit code ${exitCode}\n`)
    return 1
  } finally {
    if (!isStopped) await broker.stop()
  }
}

async function streamAndCheck (
  client: Client, address: string, file: string,
): Promise<{ topic: string, faults: number }> {
  const progress = new ProgressLine()
  const topic = await createTopic(client)
  say(`topic      ${topic}, ${PARTITIONS} partitions; a record counts as sent when it is synced to disk`)
  const fed = await feedLines(client, topic, PARTITIONS, file, (lines, bytes) =>
    progress.update(() => `in         ${formatCount(lines)} lines, ${formatBytes(bytes)}`))
  progress.clear()
  say(`in         ${formatThroughput(fed.lines, fed.bytes, fed.ms)}`)

  const audit = new LineAudit(fed, PARTITIONS)
  const startedAtMs = performance.now()
  const members = await readThroughGroup(address, topic, GROUP, PARTITIONS, audit, () =>
    progress.update(() => `out        ${formatCount(audit.records)} of ${formatCount(fed.lines)} records`))
  progress.clear()
  say(`out        ${formatThroughput(audit.records, audit.bytes, performance.now() - startedAtMs)}`)
  for (const [index, { partitions, records }] of members.entries()) {
    say(`           member ${index + 1} of group ${GROUP}: partitions ${partitions.join(', ')}, ${formatCount(records)} records`)
  }

  audit.finish()
  const lag = (await client.admin.groupLag(GROUP)).filter(row => row.topic === topic)
  const behind = lag.reduce((sum, row) => sum + row.records, 0)
  if (lag.length !== PARTITIONS || behind !== 0) audit.faults.push(`the group is ${behind} records behind after its commit`)
  if (audit.faults.length === 0) {
    say(`same       every byte, in order in each of the ${PARTITIONS} partitions`)
    if (audit.isRebuilt) say(`           put together again it is the file: SHA-256 ${fed.fileDigest}`)
    say(`committed  group ${GROUP} is 0 records behind`)
  }
  for (const fault of audit.faults.slice(0, 10)) say(`DIFFERENT  ${fault}`)
  return { topic, faults: audit.faults.length }
}

/** Makes a topic of a new name: a folder given with `--data` may hold those of earlier runs. */
async function createTopic (client: Client): Promise<string> {
  const names = new Set(await client.admin.listTopics())
  let name = 'demo'
  for (let count = 2; names.has(name); count++) name = `demo-${count}`
  await client.admin.createTopic(name, { partitions: PARTITIONS })
  return name
}

function sayHowToGoOn (topic: string, address: string, file: string, options: DemoOptions): void {
  const isThere = options.keep === true
  const brokers = `--brokers ${isThere ? address : '127.0.0.1:7400'}`
  const name = isThere ? topic : 'lines'
  const lines = isThere
    ? [`npx sluice topic describe ${name} ${brokers}`]
    : ['npx sluice broker --data ./sluice-data &', `npx sluice topic create ${name} --partitions ${PARTITIONS} ${brokers}`,
        `npx sluice produce ${name} ${brokers} < ${file}`]
  lines.push(`npx sluice consume ${name} ${brokers} -o start -e -f '%p %o %k %v\\n' | head`,
    `npx sluice consume ${name} ${brokers} -g readers -e | wc -l`, `npx sluice group lag readers ${brokers}`)
  say(`\nGo on by hand${isThere ? ', in another terminal' : ''}:\n${lines.map(line => `  ${line}`).join('\n')}`)
}

function say (text: string): void {
  process.stdout.write(`${text}\n`)
}
