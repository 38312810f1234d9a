import t from 'tap'
import { errorName, errorRow } from './error-table.js'
import { ERROR, ERRORS } from './generated/errors.js'

t.test('Errors: numbers and names are unique, and each says what to do', async t => {
  t.equal(new Set(ERRORS.map(({ number }) => number)).size, ERRORS.length)
  t.equal(new Set(ERRORS.map(({ name }) => name)).size, ERRORS.length)
  for (const { name, text, action, category, number } of ERRORS) {
    t.match(text, /\.$/, name)
    t.match(action, /.../, name)
    t.equal(category === '', number === ERROR.NONE, `${name} has a category`)
    t.equal(errorRow(number).name, name)
    t.equal(errorName(number), name)
  }
})

t.test('Errors: an unknown number counts as INTERNAL: not retriable, maybe applied', async t => {
  t.equal(errorName(999), 'ERROR_999')
  t.match(errorRow(999), { name: 'INTERNAL', retriable: false, maybeApplied: true })
})
