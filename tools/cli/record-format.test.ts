import { openSync, closeSync, readFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { ByteOutput } from './byte-output.js'
import { parseRecordFormat, type BytesRecord } from './record-format.js'

const folder = mkdtempSync(join(tmpdir(), 'sluice-format-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

function record (fields: Partial<Record<'key' | 'value', Buffer | null>> = {}, offset = 7): BytesRecord {
  const { key = null, value = Buffer.from('v') } = fields
  return {
    topic: 'orders',
    partition: 3,
    offset,
    timestamp: 1_700_000_000_000,
    key,
    value,
    headers: new Map([['a', Buffer.from('1')], ['b', Buffer.from('2')]]),
  } as unknown as BytesRecord
}

/** What a format makes of the records. */
async function formatted (format: string, ...records: BytesRecord[]): Promise<Buffer> {
  const printer = parseRecordFormat(format)
  const path = join(folder, 'out')
  const fd = openSync(path, 'w')
  try {
    const output = new ByteOutput(fd)
    printer.start(output)
    for (const item of records) printer.record(item, output)
    printer.end(output)
    await output.flush()
  } finally {
    closeSync(fd)
  }
  return readFileSync(path)
}

t.test('Record format: every field of a template', async t => {
  const out = await formatted('%t %p %o %k %v %h %s %T%%\\n', record({ key: Buffer.from('k') }))
  t.equal(out.toString(), 'orders 3 7 k v a=1,b=2 1 1700000000000%\n')
})

t.test('Record format: escapes', async t => {
  t.same(await formatted('\\t\\r\\n\\\\\\0\\xff%v', record()), Buffer.from('\t\r\n\\\0\xffv', 'latin1'))
})

t.test('Record format: bytes go out as they are', async t => {
  const value = Buffer.from([0, 0xff, 0xc3, 0x28, 10, 13])
  t.same(await formatted('%v', record({ value })), value)
  t.same(await formatted('value', record({ value })), Buffer.concat([value, Buffer.from('\n')]))
})

t.test('Record format: null key and value are nothing in a template', async t => {
  t.equal((await formatted('[%k|%v|%s]', record({ value: null }))).toString(), '[||0]')
})

t.test('Record format: JSON tells text, bytes and null apart', async t => {
  const records = [record({ key: Buffer.from('é'), value: null }), record({ value: Buffer.from([0xff]) }, 8)]
  const lines = (await formatted('jsonl', ...records)).toString().trimEnd().split('\n').map(line => JSON.parse(line) as object)
  t.match(lines, [
    { topic: 'orders', partition: 3, offset: 7, key: 'é', value: null, headers: { a: '1' } },
    { offset: 8, key: null, value: { base64: '/w==' } },
  ])
  t.same(JSON.parse((await formatted('json', ...records)).toString()), lines)
  t.same(JSON.parse((await formatted('json')).toString()), [], 'no records')
})

t.test('Record format: CSV quotes and keeps null apart from empty', async t => {
  const out = await formatted('csv', record({ key: Buffer.from('a"b\n'), value: Buffer.alloc(0) }), record({ value: null }))
  t.equal(out.toString(), 'topic,partition,offset,timestamp,key,value\n' +
    'orders,3,7,1700000000000,"a""b\n",""\norders,3,7,1700000000000,,\n')
})

t.test('Record format: what is not known is refused', async t => {
  for (const format of ['%x', '%', '100%', '\\q', '\\x1', '%v\\']) {
    t.throws(() => parseRecordFormat(format), { name: 'InvalidArgumentError' }, format)
  }
})

t.test('Record format: the readable one cannot steer a terminal', async t => {
  const out = (await formatted('table', record({ value: Buffer.from('\x1b[31mred\x07') }))).toString()
  t.match(out, /3@7 {2}\\x1b\[31mred\\x07\n$/)
})
