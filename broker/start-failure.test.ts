// What is said of a start that fails.

import { DataDirectoryError, DiskError } from '@sluice/storage'
import t from 'tap'
import { ListenError } from './net/tcp-server.js'
import { startFailureText } from './start-failure.js'

t.test('startFailureText: what anybody may run into comes in words, with what to do next', async t => {
  t.match(startFailureText(new ListenError('EADDRINUSE', '127.0.0.1', 7400, null)), /port is taken .* choose another port/)
  t.equal(startFailureText(new DataDirectoryError('LOCKED', '/data', 'In use. Stop it.')), 'In use. Stop it.')
  t.equal(startFailureText(new DiskError('ENOSPC', 'write', '/data/1.log')),
    'write /data/1.log: ENOSPC: the disk is full: free some space, then start again')
  t.match(startFailureText(new DiskError('ENOLCK', 'lock', '/data')), /^lock \/data: ENOLCK: mend/)
})

t.test('startFailureText: a fault of the program has no such words', async t => {
  t.equal(startFailureText(new TypeError('x is undefined')), null)
  t.equal(startFailureText('thrown'), null)
})
