import fc from 'fast-check'
import t from 'tap'
import { LineSplitter } from './line-splitter.js'

/** All lines of the chunks; those that were too long as their size. */
function split (chunks: readonly Buffer[], bytesMax = 1 << 20): (string | number)[] {
  const splitter = new LineSplitter(bytesMax)
  const lines: (string | number)[] = []
  const drain = (): void => {
    for (let line = splitter.next(); line !== null; line = splitter.next()) {
      lines.push(splitter.lineSize > line.length ? splitter.lineSize : line.toString('latin1'))
    }
  }
  for (const chunk of chunks) {
    splitter.push(chunk)
    drain()
  }
  splitter.end()
  drain()
  return lines
}

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')

t.test('LineSplitter: what is a line', async t => {
  t.same(split([bytes('a\nb\n')]), ['a', 'b'], 'a final newline begins no line')
  t.same(split([bytes('a\nb')]), ['a', 'b'], 'a line without a final newline counts')
  t.same(split([bytes('\n\na\n\n')]), ['', '', 'a', ''], 'empty lines count')
  t.same(split([bytes('a\r\nb\r')]), ['a\r', 'b\r'], 'carriage returns stay')
  t.same(split([]), [], 'nothing is no line')
  t.same(split([bytes('')]), [])
  t.same(split([bytes('\x00\xff\n\x80')]), ['\x00\xff', '\x80'], 'bytes are not text')
})

t.test('LineSplitter: lines across chunks', async t => {
  t.same(split([bytes('ab'), bytes('c\nd'), bytes(''), bytes('e'), bytes('\n'), bytes('f')]), ['abc', 'de', 'f'])
  t.same(split([bytes('a'), bytes('\n'), bytes('\n')]), ['a', ''])
})

t.test('LineSplitter: too long a line is passed over with its size, those around it are not harmed', async t => {
  t.same(split([bytes('ab\nabcdef\ncd\n')], 5), ['ab', 6, 'cd'], 'in one chunk')
  t.same(split([bytes('ab\nabc'), bytes('def'), bytes('ghi\ncd')], 5), ['ab', 9, 'cd'], 'over three')
  t.same(split([bytes('abcde\n'), bytes('abcdef')], 5), ['abcde', 6], 'at the bound, and at the end')
})

t.test('LineSplitter: the same as splitting the whole, wherever chunks are cut', async () => {
  const piece = fc.uint8Array({ maxLength: 12 }).map(bytes => bytes.map(byte => byte % 4 === 0 ? 10 : byte))
  fc.assert(fc.property(fc.array(piece), pieces => {
    const chunks = pieces.map(bytes => Buffer.from(bytes))
    const expected = Buffer.concat(chunks).toString('latin1').split('\n')
    if (expected.at(-1) === '') expected.pop()
    return JSON.stringify(split(chunks)) === JSON.stringify(expected)
  }), { seed: 20, numRuns: 500 })
})
