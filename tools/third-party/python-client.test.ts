// The Python client against the real broker: a client that was written from PROTOCOL.md and shares no code with ours.

import { execFile, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import t from 'tap'
import { startTestBroker } from '@sluice/broker/testing'
import { batchOf } from '../conformance/batches.js'
import { Stage } from '../conformance/dialogue.js'
import { fetchFrom, produce } from '../conformance/exchanges.js'

const PYTHON_FOLDER = fileURLToPath(new URL('../../../protocol/python/', import.meta.url))
const CLIENT = join(PYTHON_FOLDER, 'sluice_client.py')
const skip = spawnSync('python3', ['--version']).status === 0 ? false : 'python3 is not installed'

interface Run { status: number, stdout: string, stderr: string }

/** Runs python3; the broker lives in this process, so nothing may block it. */
function python (args: readonly string[], input = ''): Promise<Run> {
  return new Promise(resolve => {
    const options = { cwd: PYTHON_FOLDER, timeout: 60_000, maxBuffer: 64 * 1024 * 1024 }
    const child = execFile('python3', ['-B', ...args], options, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code ?? -1), stdout, stderr })
    })
    child.stdin!.end(input)
  })
}

/** Runs a script with `client`, a connected client, and `sluice`, its module. */
async function script (port: number, text: string): Promise<unknown> {
  const { status, stdout, stderr } = await python(['-c',
    `import json, sluice_client as sluice\nwith sluice.Client('127.0.0.1', ${port}) as client:\n${text.replace(/^/gm, '  ')}`])
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout)
}

t.test('Python client: the command line stores and prints a real file', { skip }, async t => {
  await using broker = await startTestBroker()
  const lines = readFileSync(CLIENT, 'utf8')
  const run = (...args: string[]): Promise<Run> => python([CLIENT, ...args, '--broker', broker.address], lines)
  t.match(await run('create', 'lines'), { status: 0, stderr: '' })
  t.match(await run('topics'), { status: 0, stdout: /^lines\t1$/m })
  t.match(await run('produce', 'lines'), { status: 0, stderr: /records stored/ })
  t.equal((await run('consume', 'lines')).stdout, lines, 'read by offsets')
  t.match(await run('produce', 'lines', '--gzip'), { status: 0 })
  t.equal((await run('consume', 'lines', '-g', 'readers', '-e')).stdout, lines + lines, 'read by a group')
  t.equal((await run('consume', 'lines', '-g', 'readers', '-e')).stdout, '', 'the group has committed')
  t.match(await run('consume', 'no-such-topic'), { status: 1, stderr: /UNKNOWN_TOPIC/ })
  t.match(await run('create', 'lines'), { status: 1, stderr: /TOPIC_EXISTS/ })
})

t.test('Python client: reads what ours has written, and ours what it has written', { skip }, async t => {
  await using broker = await startTestBroker()
  const stage = new Stage('127.0.0.1', broker.port, 10_000)
  const connection = await stage.greeted()
  const { name, topicId } = await stage.topic(connection)
  await produce(connection, [{ batch: batchOf(3, 'node'), topicId }, { batch: batchOf(50, 'packed', { codec: 'gzip' }), topicId }])
  const read = await script(broker.port, `
print(json.dumps([[r.offset, r.key.decode(), r.value.decode()] for r in client.read('${name}')]))
with client.producer('${name}', codec=sluice.CODEC_GZIP) as producer:
  for n in range(100):
    producer.send(b'python-%d' % n, key=b'k', headers=[('lang', b'python'), ('none', None)])`)
  const expected = [...Array.from({ length: 3 }, (_, n) => [n, `key-${n}`, `node-${n}`]),
    ...Array.from({ length: 50 }, (_, n) => [n + 3, `key-${n}`, `packed-${n}`])]
  t.strictSame(read, expected)
  const { batches } = await fetchFrom(connection, topicId, 53, { enough: 153 })
  t.strictSame(batches.flatMap(({ values }) => values), Array.from({ length: 100 }, (_, n) => `python-${n}`))
  t.ok(batches[0]!.header.producerId >= 0, 'by an idempotent producer')
  await stage.leave()
})

t.test('Python client: a batch that is sent again after a restart of the broker is stored once', { skip }, async t => {
  await using broker = await startTestBroker()
  const send = `
producer = client.producer('once')
producer.identity = (identity[0], identity[1])
batch = sluice.encode_batch([(None, b'v', 1, [])], identity[0], identity[1], 0)
result = producer.post(0, batch)
print(json.dumps([result['baseOffset'], result['duplicate']]))`
  const identity = await script(broker.port, `
client.create_topic('once')
print(json.dumps(client.producer('once').identity))`)
  const again = `identity = ${JSON.stringify(identity)}${send}`
  t.strictSame(await script(broker.port, again), [0, false])
  await broker.restart()
  t.strictSame(await script(broker.port, again), [0, true])
  t.equal(await script(broker.port, 'print(len(list(client.read(\'once\'))))'), 1)
})

t.test('Python client: two members share the partitions of a topic', { skip }, async t => {
  await using broker = await startTestBroker()
  const result = await script(broker.port, `
client.create_topic('shared', partitions=4)
with client.producer('shared') as producer:
  for n in range(200):
    producer.send(b'%d' % n, key=b'key-%d' % n)
with sluice.Client('127.0.0.1', ${broker.port}) as other:
  one = client.consumer('pair', 'shared')
  two = other.consumer('pair', 'shared')
  got = []
  for round in range(100):
    for member in (one, two):
      member.heartbeat()
      got += [int(r.value) for r in member.poll(20)]
      member.commit()
    if len(got) >= 200 and len(one.positions) == len(two.positions) == 2:
      break
  print(json.dumps([sorted(got), sorted(one.positions), sorted(two.positions)]))`) as [number[], number[], number[]]
  const [values, one, two] = result
  t.strictSame(values, Array.from({ length: 200 }, (_, n) => n), 'each record once')
  t.equal(one.length, 2)
  t.strictSame([...one, ...two].sort(), [0, 1, 2, 3])
})

t.test('Python client: the command line sends to a queue, receives and acknowledges', { skip }, async t => {
  await using broker = await startTestBroker()
  const run = (...args: string[]): Promise<Run> => python([CLIENT, ...args, '--broker', broker.address], 'a\nb\nc\n')
  t.match(await run('create-queue', 'jobs', '--set', 'max.attempts=3'), { status: 0, stderr: '' })
  t.match(await run('create-queue', 'other', '--set', 'max.attempts=0'), { status: 1, stderr: /INVALID_CONFIG.*1 to 1000/ })
  t.match(await run('send', 'jobs'), { status: 0, stderr: /3 records stored/ })
  t.match(await run('send', 'jobs', '--delay-ms', '3600000'), { status: 0 })
  t.equal((await run('receive', 'jobs', '-n', '2')).stdout, 'a\nb\n')
  t.equal((await run('receive', 'jobs', '-n', '10', '--wait-ms', '50')).stdout, 'c\n', 'what was acknowledged is gone, what is delayed waits')
  t.match(await run('receive', 'no-such-queue'), { status: 1, stderr: /UNKNOWN_TOPIC/ })
})

t.test('Python client: leases outlive its connection, are settled each by itself, and failed records come again', { skip }, async t => {
  await using broker = await startTestBroker()
  const seen = await script(broker.port, `
client.create_queue('jobs', config={'order': 'key', 'backoff.min.ms': '0', 'backoff.max.ms': '0'})
with client.producer('jobs') as producer:
  for n in range(6):
    producer.send(b'job-%d' % n, key=b'customer-%d' % (n % 2), headers=[('n', b'%d' % n)])
show = lambda leases: [[lease.record.value.decode(), lease.deliveries] for lease in leases]
with client.queue('jobs') as queue:
  first = queue.receive(wait_ms=5000)
  out = [show(first)]
  client.close()  # every connection is gone; the session is taken up again on the next
  out.append(queue.receive(wait_ms=0))
  out.append(queue.ack(*[lease for lease in first if lease.record.key == b'customer-0']))
  failed = [lease for lease in first if lease.record.key == b'customer-1']
  out.append(queue.nack(failed[0], delay_ms=0, reason='as the test says'))
  out.append(queue.ack(failed[1]))
  again = queue.receive(wait_ms=5000)
  out.append(show(again))
  out.append(queue.extend(again[0], 60000))
  out.append(queue.ack(*[lease.handle for lease in again]))
  out.append(queue.heartbeat())
print(json.dumps(out))`)
  t.strictSame(seen, [
    Array.from({ length: 6 }, (_, n) => [`job-${n}`, 1]),
    [],
    ['ok', 'ok', 'ok'],
    'ok',
    ['staleLease'],
    [['job-1', 2], ['job-3', 2], ['job-5', 2]],
    'ok',
    ['ok', 'ok', 'ok'],
    [],
  ])
})
