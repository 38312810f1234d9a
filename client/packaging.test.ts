// The packages as users get them: packed, installed into an empty project, used from ESM, from require and typed.

import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { ScriptedBroker } from './testing/scripted-broker.js'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))

const ESM = `
import { connect, string, BrokerError } from '@sluice/client'
import { avro } from '@sluice/client/avro'
import { traced } from '@sluice/client/otel'
const client = connect({ brokers: [process.env.SLUICE_BROKERS] })
const topic = client.topic('t', { key: string(), value: avro('string') })
console.log(JSON.stringify(await topic.producer().send({ key: 'k', value: 'from esm' })))
for await (const { value } of topic.read()) console.log(value)
if (typeof traced !== 'function' || BrokerError.is(1)) throw new Error('exports')
await client.close()
`

const REQUIRE = `
const { connect, string } = require('@sluice/client')
const { avro } = require('@sluice/client/avro')
const client = connect({ brokers: [process.env.SLUICE_BROKERS] })
const topic = client.topic('t', { key: string(), value: avro('string') })
topic.producer().send({ key: 'k', value: 'from require' })
  .then(sent => { console.log(JSON.stringify(sent)); return client.close() })
`

const TYPES = `
import { connect, json, string, type InRecord, type Producer, type RecordMeta } from '@sluice/client'
import { avro } from '@sluice/client/avro'
interface Order { id: number }
const client = connect({ brokers: ['localhost'] })
const orders = client.topic('orders', { key: string(), value: json<Order>() })
const producer: Producer<string, Order> = orders.producer({ compression: 'gzip' })
export const sent: Promise<RecordMeta> = producer.send({ key: 'k', value: { id: 1 } })
// @ts-expect-error the value has another type
producer.write({ value: { id: 'one' } })
// @ts-expect-error no such option
client.topic('t').consumer({ grup: 'g' })
export async function ids (): Promise<number[]> {
  const found: number[] = []
  for await (const record of orders.consumer({ group: 'g' })) found.push(record.value!.id)
  return found
}
export const handler = (record: InRecord<string, Order>): number => record.value?.id ?? record.offset
export const long = avro<number>('long').encode(1)
`

t.test('Package: packed and installed into an empty project', { timeout: 180_000 }, async t => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-client-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const tarballs = []
  for (const name of ['protocol', 'client']) {
    const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { cwd: join(root, name) })
    const [{ filename, files }] = JSON.parse(stdout) as [{ filename: string, files: { path: string }[] }]
    tarballs.push(join(folder, filename))
    if (name !== 'client') continue
    const paths = files.map(({ path }) => path)
    t.ok(paths.includes('dist/index.js') && paths.includes('dist/index.d.ts') && paths.includes('README.md'))
    t.same(paths.filter(path => /test|testing|tsbuildinfo|(?<!\.d)\.ts$/.test(path)), [], 'nothing but what users need')
  }
  const project = join(folder, 'project')
  await mkdir(project)
  await writeFile(join(project, 'package.json'), '{ "name": "empty", "private": true }')
  await run('npm', [
    'install', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', ...tarballs,
  ], { cwd: project })

  await using broker = await ScriptedBroker.start()
  broker.addTopic('t')
  const env = { ...process.env, NODE_OPTIONS: '', SLUICE_BROKERS: broker.address }
  await writeFile(join(project, 'use.mjs'), ESM)
  const esm = await run(process.execPath, ['use.mjs'], { cwd: project, env })
  t.match(esm.stdout, /"offset":0[\s\S]*from esm/)
  await writeFile(join(project, 'use.cjs'), REQUIRE)
  const required = await run(process.execPath, ['use.cjs'], { cwd: project, env })
  t.match(required.stdout, /"offset":1/)

  await mkdir(join(project, 'node_modules', '@types'), { recursive: true })
  await symlink(join(root, 'node_modules', '@types', 'node'), join(project, 'node_modules', '@types', 'node'))
  await symlink(join(root, 'node_modules', 'undici-types'), join(project, 'node_modules', 'undici-types'))
  await writeFile(join(project, 'use.mts'), TYPES)
  await writeFile(join(project, 'use.cts'), TYPES)
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const options = ['--noEmit', '--strict', '--target', 'es2022', '--lib', 'es2023,esnext.disposable']
  const modules = ['--module', 'nodenext', '--types', 'node', 'use.mts', 'use.cts']
  const checked = await run(process.execPath, [tsc, ...options, ...modules], { cwd: project })
    .catch((error: { stdout: string }) => error)
  t.equal(checked.stdout, '', 'types are sound')
})
