import fc from 'fast-check'
import t from 'tap'
import {
  decodeDeadLetterNote, decodeRedriveNote, encodeDeadLetterNote, encodeRedriveNote,
} from './dead-letter.js'
import { DEAD_LETTER_SAMPLE } from './generate/message-samples.js'

t.test('Dead letter: the note comes back as it was', async t => {
  const value = encodeDeadLetterNote(DEAD_LETTER_SAMPLE)
  t.strictSame(decodeDeadLetterNote(value), DEAD_LETTER_SAMPLE)
  t.strictSame(decodeDeadLetterNote(Buffer.from(value)), DEAD_LETTER_SAMPLE)
})

t.test('Dead letter: fields of a later version are no fault', async t => {
  const later = { ...DEAD_LETTER_SAMPLE, rack: 'a' }
  t.match(decodeDeadLetterNote(JSON.stringify(later)), DEAD_LETTER_SAMPLE)
})

t.test('Redrive: the note comes back as it was; anything else is none', async t => {
  const note = { redriveId: '5c9e8f30-17d2-4b6a-9e04-d28b7a1f6c93', sequence: 7 }
  t.strictSame(decodeRedriveNote(Buffer.from(encodeRedriveNote(note))), note)
  for (const text of ['', '{}', '7', '{"redriveId":7,"sequence":7}', '{"redriveId":"a","sequence":0.5}']) {
    t.equal(decodeRedriveNote(text), null, text)
  }
  t.equal(decodeRedriveNote(null), null)
})

t.test('Dead letter: a header of that name with anything else in it is none', async t => {
  t.equal(decodeDeadLetterNote(null), null)
  for (const text of ['', '{', 'null', '[]', '"x"', '{}']) t.equal(decodeDeadLetterNote(text), null, text)
  for (const name of Object.keys(DEAD_LETTER_SAMPLE)) {
    t.equal(decodeDeadLetterNote(JSON.stringify({ ...DEAD_LETTER_SAMPLE, [name]: undefined })), null, `without ${name}`)
    t.equal(decodeDeadLetterNote(JSON.stringify({ ...DEAD_LETTER_SAMPLE, [name]: {} })), null, `another ${name}`)
  }
  t.equal(decodeDeadLetterNote(JSON.stringify({ ...DEAD_LETTER_SAMPLE, attempts: [null] })), null)
  fc.assert(fc.property(fc.oneof(fc.json(), fc.uint8Array()), value => decodeDeadLetterNote(value) === null),
    { seed: 33, numRuns: 300 })
})
