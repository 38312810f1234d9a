import t from 'tap'
import { groupNameFault, NAME_LENGTH_MAX, topicNameFault } from './topic-name.js'

t.test('Names: letters, digits, dot, underscore and dash, up to 249', async t => {
  for (const name of ['a', 'orders', 'A.b_c-9', '...', 'x'.repeat(NAME_LENGTH_MAX)]) {
    t.equal(topicNameFault(name), null, name.slice(0, 20))
    t.equal(groupNameFault(name), null)
  }
  for (const name of ['', ' ', 'a b', 'a/b', '../x', 'ü', 'a\n', 'a\0', 'x'.repeat(NAME_LENGTH_MAX + 1), '\ud800']) {
    t.match(topicNameFault(name), /not allowed/, JSON.stringify(name.slice(0, 20)))
    t.match(groupNameFault(name), /not allowed/)
  }
})

t.test('Names: . and .. are no topics', async t => {
  t.match(topicNameFault('.'), /not allowed/)
  t.match(topicNameFault('..'), /not allowed/)
})

t.test('Names: a long name is not repeated in full', async t => {
  t.ok(topicNameFault('é'.repeat(100_000))!.length < 300)
})
