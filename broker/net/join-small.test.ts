import fc from 'fast-check'
import t from 'tap'
import { joinSmall } from './join-small.js'

t.test('joinSmall: the bytes and their order stay, large buffers are not copied, small neighbours become one', async t => {
  const sizes = fc.array(fc.constantFrom(0, 1, 100, 4096, 4097, 10_000), { minLength: 1, maxLength: 30 })
  fc.assert(fc.property(sizes, given => {
    const buffers = given.map((size, index) => Buffer.alloc(size, index + 1))
    const joined = joinSmall(buffers)
    if (!Buffer.concat(joined).equals(Buffer.concat(buffers))) return false
    if (!buffers.filter(buffer => buffer.length > 4096).every(buffer => joined.includes(buffer))) return false
    // No two small ones are left side by side, unless together they have become a large one.
    return joined.length <= 2 * buffers.filter(buffer => buffer.length > 4096).length + 1
  }), { seed: 4, numRuns: 500 })
  t.pass('held for 500 sequences')
})
