import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { InRecord } from '@sluice/client'
import t from 'tap'
import { LineAudit } from './line-audit.js'
import type { FedLines } from './line-feed.js'
import { PartitionDigests } from './partition-digests.js'

const folder = mkdtempSync(join(tmpdir(), 'sluice-demo-test-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

/** Runs the demo as `npm run demo` does, after its set-up. */
function demo (...args: string[]): Promise<{ code: number | null, output: string }> {
  const script = `import(${JSON.stringify(new URL('./main.js', import.meta.url).href)}).then(async demo => process.exit(await demo.runDemo(process.argv.slice(1))))`
  return new Promise(resolve => {
    const child = spawn(process.execPath, ['-e', script, '--', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NODE_OPTIONS: undefined, TMPDIR: folder },
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => { output += text })
    child.once('close', code => resolve({ code, output }))
  })
}

t.test('Demo: any file comes back as it went in (no final newline, empty lines, bytes that are no text)', async t => {
  const file = join(folder, 'odd')
  writeFileSync(file, Buffer.concat([Buffer.from('first\n\n\r\n'), Buffer.from([0xff, 0xfe, 0, 10, 0x80]), Buffer.from('last')]))
  const { code, output } = await demo(file)
  t.equal(code, 0, output)
  t.match(output, /same +every byte/)
  t.match(output, /is 0 records behind/)
  t.match(output, /npx sluice consume/)
  t.same(readdirSync(folder), ['odd'], 'nothing is left behind')
})

t.test('Demo: what it cannot stream', async t => {
  writeFileSync(join(folder, 'empty'), '')
  for (const path of [join(folder, 'nowhere'), folder, join(folder, 'empty')]) t.equal((await demo(path)).code, 1, path)
  t.equal((await demo('--colour')).code, 2)
})

function fed (lines: readonly string[], partitions: number): FedLines {
  const digests = new PartitionDigests(partitions)
  lines.forEach((line, index) => digests.add(index % partitions, Buffer.from(String(index)), Buffer.from(line)))
  return { lines: lines.length, bytes: 100, endsWithNewline: true, fileDigest: '', digests, ms: 1 }
}

function record (partition: number, offset: number, key: number, value: string): InRecord<Uint8Array, Uint8Array> {
  const fields = { partition, offset, key: Buffer.from(String(key)), value: Buffer.from(value) }
  return fields as unknown as InRecord<Uint8Array, Uint8Array>
}

t.test('Demo: the check sees what a broker could do wrong', async t => {
  const lines = ['a', 'b', 'c', 'd']
  const right = [record(0, 0, 0, 'a'), record(1, 0, 1, 'b'), record(0, 1, 2, 'c'), record(1, 1, 3, 'd')]
  const faults = (...records: InRecord<Uint8Array, Uint8Array>[]): string[] => {
    const audit = new LineAudit(fed(lines, 2), 2)
    for (const item of records) audit.add(item)
    audit.finish()
    return audit.faults.filter(fault => !fault.startsWith('the file put together'))
  }
  t.same(faults(...right), [])
  t.match(faults(...right.slice(1)), [/offset 1 came where 0 was due/, /4 lines went in, 3/, /partition 0/], 'one is missing')
  t.match(faults(...right, right[3]!), [/offset 1 came where 2 was due/, /5 records/, /partition 1/], 'one came twice')
  t.match(faults(record(0, 0, 2, 'c'), right[1]!, record(0, 1, 0, 'a'), right[3]!), [/partition 0/], 'two are swapped')
  t.match(faults(right[0]!, right[1]!, record(0, 1, 2, 'C'), right[3]!), [/partition 0/], 'one byte differs')
})
