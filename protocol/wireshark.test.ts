// The dissector, run by tshark over captures made from the vectors.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { FRAME_FLAG } from './frame.js'
import { batchVectors, malformedBodies, messageVectors, PACKAGE_FOLDER } from './testing/vector-files.js'
import { pcapOf, type Segment } from './testing/pcap.js'

const PORT = 7411
const tshark = spawnSync('tshark', ['--version'])
const skip = tshark.error !== undefined || tshark.status !== 0
  ? 'tshark is not installed: apt-get install tshark to try the dissector'
  : false

const folder = mkdtempSync(join(tmpdir(), 'sluice-wireshark-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

/** What tshark prints about a capture of the segments. */
function dissect (segments: readonly Segment[], ...options: string[]): string {
  const capture = join(folder, 'capture.pcap')
  writeFileSync(capture, pcapOf(segments, PORT))
  const script = join(PACKAGE_FOLDER, 'wireshark/sluice.lua')
  const { stdout, stderr } = spawnSync('tshark',
    ['-X', `lua_script:${script}`, '-d', `tcp.port==${PORT},sluice`, '-r', capture, ...options],
    { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  t.notMatch(stderr, /lua|error/i, 'the script loads and runs')
  return stdout
}

/** Lines of tab-separated fields, one a packet. */
function fieldsOf (segments: readonly Segment[], ...fields: string[]): string[][] {
  return dissect(segments, '-T', 'fields', ...fields.flatMap(field => ['-e', field]))
    .replace(/\n$/, '').split('\n').map(line => line.split('\t'))
}

function segmentOf (hex: string): Segment {
  const bytes = Buffer.from(hex, 'hex')
  return { fromServer: (bytes[7]! & FRAME_FLAG.response) !== 0, bytes }
}

t.test('Dissector: names every message, and finds nothing malformed in the vectors', { skip }, async t => {
  const vectors = messageVectors()
  const rows = fieldsOf(vectors.map(({ hex }) => segmentOf(hex)), 'sluice.message', 'sluice.correlation', '_ws.expert.message')
  t.equal(rows.length, vectors.length)
  for (const [index, { name, correlation }] of vectors.entries()) {
    const [message, shownCorrelation, fault] = rows[index]!
    t.equal(message, name.split('/')[0], name)
    t.equal(shownCorrelation, String(correlation))
    t.equal(fault ?? '', '', name)
  }
})

t.test('Dissector: shows fields, batches and records', { skip }, async t => {
  const produce = messageVectors().find(({ name }) => name === 'produce.v1.request/typical')!
  const text = dissect([segmentOf(produce.hex)], '-V')
  for (const line of ['acks: quorum', 'timeoutMs: 30000', 'batches[0].size: 103', 'Record batch of 103 bytes',
    'Record count: 2', 'Producer id: -1', 'Record 0: offset 0, key k, value v', 'Record 1: offset 1, key null, value hello']) {
    t.ok(text.includes(line), line)
  }
  const error = messageVectors().find(({ name }) => name === 'error.v1.response/typical')!
  t.match(dissect([segmentOf(error.hex)], '-V'), /Error: UNSUPPORTED_VERSION \(5\)/)
})

t.test('Dissector: every kind of record batch', { skip }, async t => {
  const fetched = messageVectors().find(({ name }) => name === 'fetch.v1.response/minimal')!
  const frames = batchVectors().map(({ hex }) => {
    const frame = Buffer.from(fetched.hex + hex, 'hex')
    frame.writeUInt32BE(frame.length - 4, 0)
    return { fromServer: true, bytes: frame }
  })
  const rows = fieldsOf(frames, 'sluice.batch.record_count', 'sluice.batch.base_offset', 'sluice.extras.lane',
    'sluice.extras.not_before', 'sluice.extras.priority', 'sluice.extras.dedup_key', '_ws.expert.message')
  for (const [index, { name, header, options }] of batchVectors().entries()) {
    t.strictSame(rows[index]!.slice(0, 2), [String(header.recordCount), String(header.baseOffset)], name)
    const hasAll = name === 'extras'
    const shown = [
      options?.map(({ lane }) => lane).join() ?? '',
      hasAll ? options!.map(({ notBefore }) => notBefore).join() : '',
      hasAll ? options!.map(({ priority }) => priority).join() : '',
      hasAll ? options!.map(({ dedupKey }) => dedupKey).join() : '',
    ]
    t.strictSame(rows[index]!.slice(2, 6), shown, `${name}: extras`)
    t.equal(rows[index]![6] ?? '', '', name)
  }
})

t.test('Dissector: frames spread over segments, and several in one', { skip }, async t => {
  const frames = messageVectors().filter(({ direction }) => direction === 'request').map(({ hex }) => segmentOf(hex).bytes)
  const stream = Buffer.concat(frames)
  const segments: Segment[] = []
  for (let start = 0; start < stream.length; start += 100) {
    segments.push({ fromServer: false, bytes: stream.subarray(start, start + 100) })
  }
  const messages = fieldsOf(segments, 'sluice.message').flatMap(([cell]) => cell === '' ? [] : cell!.split(','))
  t.equal(messages.length, frames.length)
})

t.test('Dissector: malformed bodies are shown as such', { skip }, async t => {
  const bodies = malformedBodies().filter(({ message }) => message === 'metadata.v1.request')
  const segments = bodies.map(({ hex }) => {
    const body = Buffer.from(hex, 'hex')
    const frame = Buffer.concat([Buffer.from('00000000000301000000000100000000', 'hex'), body])
    frame.writeUInt32BE(frame.length - 4, 0)
    frame.writeUInt32BE(body.length, 12)
    return { fromServer: false, bytes: frame }
  })
  const rows = fieldsOf(segments, '_ws.expert.message')
  t.equal(rows.length, bodies.length)
  for (const [index, { name }] of bodies.entries()) t.not(rows[index]![0], '', name)
})
