import fc from 'fast-check'
import t from 'tap'
import { formatHandle, parseHandle } from './lease-handle.js'

const uuid = fc.uuid({ version: 4 })
const number = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })

t.test('LeaseHandle: comes back as it went', async t => {
  const handles = fc.record({
    topicId: uuid,
    group: fc.stringMatching(/^[A-Za-z0-9._-]{0,40}$/),
    partition: fc.integer({ min: 0, max: 0x7fffffff }),
    offset: number,
    leaseEpoch: fc.integer({ min: 0, max: 0x7fffffff }),
    leaseSequence: number,
  })
  fc.assert(fc.property(handles, handle => {
    const text = formatHandle(handle)
    t.match(text, /^[\w-]+$/, 'needs no quoting in a shell or a URL')
    t.same(parseHandle(text), handle)
  }), { numRuns: 200, seed: 1 })
})

t.test('LeaseHandle: what was cut, mistyped or made up is refused, whatever it is', async t => {
  const text = formatHandle({
    topicId: '01234567-89ab-4def-8123-456789abcdef', group: '', partition: 3, offset: 70_000, leaseEpoch: 2, leaseSequence: 9,
  })
  for (let length = 0; length < text.length; length++) {
    t.throws(() => parseHandle(text.slice(0, length)), { code: 'INVALID', message: /is no lease handle/ })
  }
  for (let index = 0; index < text.length; index++) {
    const other = text[index] === 'A' ? 'B' : 'A'
    const damaged = text.slice(0, index) + other + text.slice(index + 1)
    // The last character may hold bits that mean nothing.
    if (index < text.length - 1) t.throws(() => parseHandle(damaged), { code: 'INVALID' }, damaged)
  }
  for (const wrong of ['', '0:1', `${text}=`, `${text}AAAA`, 'x'.repeat(5_000), null, 7]) {
    t.throws(() => parseHandle(wrong as string), { code: 'INVALID' }, String(wrong).slice(0, 20))
  }
})
