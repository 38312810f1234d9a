// Brokers on a disk that loses power: what they have acknowledged is there, whatever else is gone. And the tests of
// that notice brokers and disks that sync too late. `npm run crash -- --power-loss` is the long run.

import { execFile } from 'node:child_process'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connect, string } from '@sluice/client'
import t from 'tap'
import { BrokerProcess } from '../broker-process.js'
import { crashRun } from '../crash-run.js'
import { queueCrashRun } from '../queue/queue-crash-run.js'
import { scratchFolder } from '../scratch-folder.js'
import { SeededRandom } from '../seeded-random.js'
import { whyNoPowerLoss } from './build-layer.js'
import { LOSS_STYLES } from './loss-style.js'
import { PowerLossDisk } from './power-loss-disk.js'

// Real processes on a machine that may be busy with others.
t.setTimeout(400_000)

const skip = await whyNoPowerLoss()
const MAIN = fileURLToPath(new URL('../main.js', import.meta.url))
const TEXT = { value: string() }
/** A disk that lies may take whole topics, or the start of the broker. */
const MUTANTS = [
  ['unsynced-topics', /VIOLATION/],
  ['lying-disk', /VIOLATION|UNKNOWN_TOPIC|BrokerStartError|ended with/],
] as const

t.test('Power loss: a broker keeps every promise (power lost under load, also while it starts; damage)', { skip }, async t => {
  await using folder = await scratchFolder()
  const report = await crashRun({ rounds: 2, seed: 11, folder: folder.path, powerLoss: true })
  t.comment(JSON.stringify(report))
  t.strictSame(report.violations, [])
  t.ok(report.acknowledged > 0 && report.commits > 0 && report.lostChanges > 0, 'there was something to lose, and was lost')
})

t.test('Power loss: queues keep every promise (power lost under load)', { skip }, async t => {
  await using folder = await scratchFolder()
  const report = await queueCrashRun({ rounds: 3, seed: 4, folder: folder.path, powerLoss: true, lateMsMax: 60_000 })
  t.comment(JSON.stringify(report))
  t.strictSame(report.violations, [])
  t.ok(report.settled > 0 && report.lostChanges > 0, 'there was something to lose, and was lost')
})

for (const [mutant, told] of MUTANTS) {
  t.test(`Power loss: acknowledging what is not on the disk is noticed (${mutant})`, { skip }, async t => {
    const args = [MAIN, '--power-loss', '--mutant', mutant, '--no-damage', '--rounds', '12', '--seed', '5']
    const { code, stderr } = await new Promise<{ code: unknown, stderr: string }>(resolve => {
      execFile(process.execPath, args, (error, _, stderr) => resolve({ code: error?.code ?? 0, stderr }))
    })
    t.equal(code, 1)
    t.match(stderr, told)
  })
}

t.test('Power loss: after a stop in order nothing is left that could be lost', { skip }, async t => {
  await using folder = await scratchFolder()
  const disk = await PowerLossDisk.open(join(folder.path, 'data'))
  const random = new SeededRandom(1)
  for (const style of LOSS_STYLES) {
    const { environment, folder: data } = disk
    const broker = await BrokerProcess.start({ data, environment, options: { 'log-level': 'info' } })
    const client = connect({ brokers: [broker.address] })
    if (style === LOSS_STYLES[0]) await client.admin.createTopic('letters', { partitions: 3 })
    const producer = client.topic('letters', TEXT).producer()
    await producer.send({ value: style })
    const values: string[] = []
    for await (const { value } of client.topic('letters', TEXT).read({ from: 'earliest', to: 'end' })) values.push(value!)
    t.strictSame(values.sort(), LOSS_STYLES.slice(0, LOSS_STYLES.indexOf(style) + 1).toSorted())
    await producer.close()
    await client.close()
    t.match(await broker.stop(), { code: 0 })
    const starts = broker.stderr.split('\n').filter(line => /crash|recover|not stopped/i.test(line))
    t.strictSame(starts, [], 'it found a folder that was left in order')
    await disk.powerLoss(random, style)
  }
})

t.test('Power loss: the layer sees all that a broker does to its folder (a disk that lies is empty afterwards)', { skip }, async t => {
  await using folder = await scratchFolder()
  const disk = await PowerLossDisk.open(join(folder.path, 'data'), { lies: true })
  const { environment, folder: data } = disk
  for (let start = 0; start < 2; start++) {
    const broker = await BrokerProcess.start({ data, environment })
    const client = connect({ brokers: [broker.address] })
    await client.admin.createTopic(`topic-${start}`, { partitions: 2, config: { 'segment.bytes': 65_536 } })
    const producer = client.topic(`topic-${start}`, TEXT).producer()
    await Promise.all(Array.from({ length: 2_000 }, () => producer.send({ value: 'x'.repeat(200) })))
    await client.admin.deleteTopic(`topic-${start}`)
    await producer.close()
    await client.close()
    if (start === 0) await broker.stop()
    else await broker.kill()
  }
  t.ok((await readFile(join(data, 'sluice.json'))).length > 0)
  await disk.powerLoss(new SeededRandom(1), 'all')
  t.strictSame(await readdir(data), [])
})
