// `npm run demo -- [FILE]`: makes the checkout ready, then streams a real file through a broker and back.
//
// Plain JavaScript on Node alone, because before the set-up nothing else is there.

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const setup = spawnSync(process.execPath, [`${root}tools/setup.mjs`], { cwd: root, stdio: 'inherit' })
if (setup.status !== 0) process.exit(1)
const { runDemo } = await import('./dist/demo/main.js')
// Where npm was called, not where it runs the script: a relative FILE means the former.
process.chdir(process.env.INIT_CWD ?? process.cwd())
process.exit(await runDemo(process.argv.slice(2)))
