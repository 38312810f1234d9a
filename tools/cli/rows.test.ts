import t from 'tap'
import { formatObject, formatRows } from './rows.js'

const ROWS = [{ name: 'a', records: 5, note: null }, { name: 'b,"c', records: 12, note: 'x\ny' }]

t.test('Rows: a table aligns, numbers to the right', async t => {
  t.equal(formatRows(ROWS, 'table'), 'NAME  RECORDS  NOTE\na           5  -\nb,"c       12  x\\x0ay\n')
})

t.test('Rows: formats for programs carry everything', async t => {
  t.same(JSON.parse(formatRows(ROWS, 'json')), ROWS)
  t.same(formatRows(ROWS, 'jsonl').trimEnd().split('\n').map(line => JSON.parse(line) as object), ROWS)
  t.equal(formatRows(ROWS, 'csv'), 'name,records,note\na,5,\n"b,""c",12,"x\ny"\n')
})

t.test('Rows: no rows', async t => {
  const layout = { columns: ['name', 'topicId'] }
  t.equal(formatRows([], 'table', layout), 'NAME  TOPIC ID\n')
  t.equal(formatRows([], 'csv', layout), 'name,topicId\n')
  t.equal(formatRows([], 'json', layout), '[]\n')
  t.equal(formatRows([], 'jsonl', layout), '')
})

t.test('Rows: hidden columns are for programs only', async t => {
  const layout = { hidden: ['note'] }
  t.notMatch(formatRows(ROWS, 'table', layout), /NOTE/)
  t.match(formatRows(ROWS, 'csv', layout), /note/)
})

t.test('Rows: an object', async t => {
  t.equal(formatObject({ name: 'a', records: 5 }, 'table'), 'name     a\nrecords  5\n')
  t.same(JSON.parse(formatObject({ name: 'a' }, 'json')), { name: 'a' })
  t.equal(formatObject({ name: 'a' }, 'csv'), 'name\na\n')
})
