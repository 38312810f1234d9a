import { spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { ByteOutput } from './byte-output.js'

t.test('ByteOutput: bytes come out in order, whatever is being written meanwhile', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-output-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const fd = openSync(join(folder, 'out'), 'w')
  const output = new ByteOutput(fd)
  const expected: string[] = []
  const flushes: Promise<boolean>[] = []
  for (let index = 0; index < 500; index++) {
    const text = `${index}:${'é'.repeat(index)}\n`
    expected.push(text)
    output.appendText(text)
    if (index % 7 === 0) flushes.push(output.flush())
  }
  flushes.push(output.flush())
  t.ok((await Promise.all(flushes)).every(Boolean))
  closeSync(fd)
  t.equal(readFileSync(join(folder, 'out'), 'utf8'), expected.join(''))
})

t.test('ByteOutput: a full disk is an error', async t => {
  const fd = openSync('/dev/full', 'w')
  t.teardown(() => closeSync(fd))
  const output = new ByteOutput(fd)
  output.appendAscii('x')
  await t.rejects(output.flush(), { code: 'ENOSPC' })
})

t.test('ByteOutput: a reader that has gone ends it quietly', async t => {
  const script = `
    const { ByteOutput } = await import(${JSON.stringify(new URL('./byte-output.js', import.meta.url).href)})
    const output = new ByteOutput(1)
    let flushes = 0
    do { output.appendAscii('y'.repeat(65536)) } while (await output.flush() && ++flushes < 10_000)
    process.exit(output.gone && flushes < 10_000 ? 7 : 1)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  child.stdout.once('data', () => child.stdout.destroy())
  const code = await new Promise(resolve => child.once('close', resolve))
  t.equal(code, 7)
})
