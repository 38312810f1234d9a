// Profiles by a stand-in for npm, which starts what clinic would start; clinic itself is fetched by nobody in a test.

import { spawn } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { CLINIC_TOOLS } from './clinic.js'

t.setTimeout(120_000)

const MAIN = fileURLToPath(new URL('main.js', import.meta.url))

/** As clinic: it says which tool, starts the program, takes Ctrl-C as its end, and names the report. */
const NPM = `#!/usr/bin/env node
const { spawn } = require('node:child_process')
const args = process.argv.slice(process.argv.indexOf('clinic') + 1)
if (args[0] === '--version') process.exit(0)
if (process.env.NO_INSIGHT !== '1' || !args.includes('--open=false')) process.exit(9)
const [program, ...rest] = args.slice(args.indexOf('--') + 1)
const reports = args.find(arg => arg.startsWith('--dest=')).slice(7)
process.on('SIGINT', () => {})
spawn(program, rest, { stdio: 'inherit' }).once('exit', code => {
  console.log('Analysing data\\nGenerated HTML file is file://' + reports + '/' + args[0] + '-' + code + '.html')
})
`

interface Outcome { readonly code: number | null, readonly stdout: string, readonly stderr: string }

async function profile (t: Test, npm: string, ...args: string[]): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-profile-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'npm'), npm)
  await chmod(join(folder, 'npm'), 0o755)
  const child = spawn(process.execPath, [MAIN, ...args, '--folder', folder, '--reports', '/reports'], {
    env: { ...process.env, PATH: `${folder}${delimiter}${process.env.PATH}` }, stdio: ['ignore', 'pipe', 'pipe'],
  })
  const texts = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => { texts[name] += text })
  }
  return new Promise(resolve => child.once('close', code => resolve({ code, ...texts })))
}

t.test('Profile: a broker is loaded under clinic, ended by Ctrl-C, and the report named', async t => {
  const { code, stdout, stderr } = await profile(t, NPM, 'doctor', '--duration', '300ms')
  t.equal(code, 0, stderr)
  t.equal(stdout, '/reports/doctor-0.html\n', 'the broker has ended in order')
  t.match(stderr, /profile: [1-9][\d,]* records\n$/)
})

t.test('Profile: where clinic cannot be fetched, it says what to do', async t => {
  const { code, stdout, stderr } = await profile(t, '#!/bin/sh\necho "npm error code ENOTFOUND" >&2\nexit 1\n', 'flame')
  t.equal(code, 1)
  t.equal(stdout, '')
  t.match(stderr, /clinic@13 could not be fetched: npm error code ENOTFOUND[^]*--profile FOLDER/)
})

t.test('Profile: a clinic that starts nothing is an error', async t => {
  const { code, stderr } = await profile(t, '#!/bin/sh\ncase "$*" in *--version) exit 0;; esac\necho "no such tool"\n', 'flame')
  t.equal(code, 1)
  t.match(stderr, /clinic flame ended with code 0 before the broker was ready: no such tool/)
})

t.test('Profile: mistakes of usage (2), and a help that begins with examples', async t => {
  for (const args of [[], ['speed'], ['doctor', '--workload', 'nothing'], ['doctor', '--duration', 'soon']]) {
    const { code, stdout, stderr } = await profile(t, NPM, ...args)
    t.equal(code, 2, args.join(' '))
    t.equal(stdout, '')
    t.match(stderr, /^profile: /)
  }
  const help = await profile(t, NPM, '--help')
  t.equal(help.code, 0)
  t.match(help.stdout, /^Examples:\n(?: {2}npm run profile -- .*\n){3}/)
  for (const tool of CLINIC_TOOLS) t.match(help.stdout, tool)
})
