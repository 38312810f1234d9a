// What a failed command says, and its exit code.

import { readFile } from 'node:fs/promises'
import { BrokerError } from '@sluice/client'
import { DataDirectoryError, DiskError } from '@sluice/storage'
import t from 'tap'
import { EXIT } from './exit-code.js'
import { explainError } from './explain-error.js'

t.test('explainError: every code once, whoever threw', async t => {
  t.same(explainError(new BrokerError('UNKNOWN_TOPIC', 'there is no topic "a"')),
    { text: 'there is no topic "a" [UNKNOWN_TOPIC]', exitCode: EXIT.notFound })
  t.same(explainError(new DiskError('EIO', 'read', '/data/1.log')), { text: 'read /data/1.log: EIO', exitCode: EXIT.failed })
  t.same(explainError(new DataDirectoryError('LOCKED', '/data', 'It is in use.')),
    { text: 'It is in use. [LOCKED]', exitCode: EXIT.failed })
  const missing: unknown = await readFile('/nowhere/at/all').catch((error: unknown) => error)
  t.same(explainError(missing),
    { text: "ENOENT: no such file or directory, open '/nowhere/at/all'", exitCode: EXIT.notFound })
})

t.test('explainError: what was typed wrong is a usage error, what a broker refused is a failure', async t => {
  t.equal(explainError(new BrokerError('INVALID', 'no such partition')).exitCode, EXIT.usage)
  t.equal(explainError(new BrokerError('INVALID', 'no such partition', { serverCode: 3 })).exitCode, EXIT.failed)
})

t.test('explainError: a fault of the program asks for a report, with its stack', async t => {
  const { text, exitCode } = explainError(new TypeError('x is undefined'))
  t.match(text, /should not happen, please report it: TypeError: x is undefined\n +at /)
  t.equal(exitCode, EXIT.failed)
})
