// The process that directory-lock.test.ts starts, stops and kills: it tries to lock a folder when it is told to, says
// whether it got it, and holds it until it ends.

import { DirectoryLock } from './directory-lock.js'

const directory = process.argv[2]!
// Alive until it is killed.
setInterval(() => {}, 60_000)
process.send!('ready')
process.once('message', () => {
  DirectoryLock.acquire(directory).then(
    () => process.send!('held'),
    (error: { code?: string, message: string }) => {
      process.send!(error.code === 'LOCKED' ? 'locked' : `failed: ${error.message}`, () => process.exit(0))
    })
})
