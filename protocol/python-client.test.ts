// The Python client over the vectors: a second reading of PROTOCOL.md that has to come to the same bytes.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { PACKAGE_FOLDER } from './testing/vector-files.js'

const python = spawnSync('python3', ['--version'])
const skip = python.status === 0 ? false : 'python3 is not installed'

t.test('Python client: decodes and encodes every vector, refuses the malformed ones', { skip }, async t => {
  const { status, stderr } = spawnSync('python3', ['-B', '-m', 'unittest', 'test_vectors'],
    { cwd: join(PACKAGE_FOLDER, 'python'), encoding: 'utf8' })
  t.equal(status, 0, stderr)
  t.match(stderr, /Ran 1[0-9] tests/)
})
