// Makes a fresh checkout ready to run: installs the packages of the lock file and builds. Quick where that is done.
//
// Plain JavaScript on Node alone, because nothing else is there yet. Everything it says goes to standard error.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const MARK = `${root}node_modules/.sluice-installed`

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  fail(`Node ${process.versions.node} is too old: Sluice needs 20.19 or later.`)
}

const wanted = createHash('sha256').update(readFileSync(`${root}package-lock.json`)).update(process.version).digest('hex')
if (!existsSync(MARK) || readFileSync(MARK, 'utf8') !== wanted) {
  say('installing packages (a minute or so: two of them are compiled) …')
  run('npm', ['ci', '--no-audit', '--no-fund'], 'Installing failed. Sluice needs python3, make and g++ to build node-lmdb, and the npm registry.')
  checkNative()
  writeFileSync(MARK, wanted)
}
say('building …')
run(process.execPath, [`${root}node_modules/typescript/bin/tsc`, '-b'], 'Building failed: see the errors above.')

/** node-lmdb is compiled on installation; with install scripts switched off it is there and does not work. */
function checkNative () {
  const tried = spawnSync(process.execPath, ['-e', 'require("node-lmdb")'], { cwd: root, encoding: 'utf8' })
  if (tried.status === 0) return
  fail(`node-lmdb was not built. Install python3, make and g++ (apt-get install -y python3 make g++), see that npm may
run install scripts (npm config get ignore-scripts must say false), then: npm rebuild node-lmdb sse4_crc32
${tried.stderr}`)
}

function run (command, args, advice) {
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] })
  if (result.status !== 0) fail(advice)
}

function say (text) { process.stderr.write(`sluice setup: ${text}\n`) }

function fail (text) {
  say(text)
  process.exit(1)
}
