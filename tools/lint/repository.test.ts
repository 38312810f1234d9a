// What holds for every file of the repository.

import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import { PACKAGES, productSources, ROOT, sources, withoutComments } from './sources.js'

const TEXTS = ['.ts', '.mjs', '.js', '.md', '.json', '.yml', '.py', '.avsc']
const LINES_MAX = 700

t.test('Lint: files are short enough to be read', async t => {
  for (const { path, text } of sources('.ts', '.mjs', '.js')) {
    if (path.includes('/generated/')) continue
    const lines = text.split('\n').length
    if (lines > LINES_MAX) t.fail(`${path} has ${lines} lines, more than ${LINES_MAX}: cut it`)
  }
})

t.test('Lint: nothing is left for later', async t => {
  const pattern = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', 'HA' + 'CK'].join('|')})\\b`)
  for (const { path, text } of sources(...TEXTS)) {
    if (path === 'package-lock.json' || /\/vectors\//.test(path)) continue
    const line = text.split('\n').findIndex(item => pattern.test(item))
    if (line >= 0) t.fail(`${path}:${line + 1} has a note for later`)
  }
})

t.test('Lint: no paths of one machine, no addresses of a registry', async t => {
  const pattern = /(?:^|[\s'"`(=])\/(?:work|root|home|Users)\/[\w.-]+|https?:\/\/registry\./m
  for (const { path, text } of [...sources(...TEXTS), ...sources('.ci/run', '.npmrc')]) {
    if (pattern.test(text)) t.fail(`${path} has ${pattern.exec(text)![0].trim()}`)
  }
})

t.test('Lint: the lock file says what, not from where', async t => {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as
    { packages: Record<string, { resolved?: string, link?: boolean }> }
  for (const [name, { resolved, link }] of Object.entries(lock.packages)) {
    if (resolved !== undefined && link !== true) t.fail(`${name} has an address: see .npmrc`)
  }
})

t.test('Lint: every package has a README, a licence and an engine', async t => {
  for (const name of PACKAGES) {
    t.ok(existsSync(join(ROOT, name, 'README.md')), `${name}/README.md`)
    const manifest = JSON.parse(readFileSync(join(ROOT, name, 'package.json'), 'utf8')) as Record<string, unknown>
    t.match(manifest, { license: 'Apache-2.0', type: 'module', engines: { node: '>=20.19' } }, name)
  }
  for (const name of ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'LICENSE']) {
    t.ok(existsSync(join(ROOT, name)), name)
  }
})

t.test('Lint: no native code in what clients install', async t => {
  const native = ['node-lmdb', 'node-gyp', 'prebuild-install', 'node-gyp-build', 'nan']
  for (const name of ['protocol', 'client']) {
    const { dependencies = {} } = JSON.parse(readFileSync(join(ROOT, name, 'package.json'), 'utf8')) as
      { dependencies?: Record<string, string> }
    t.notOk(Object.keys(dependencies).some(dependency => native.includes(dependency)), name)
  }
})

t.test('Lint: modules export by name, and there are no TypeScript enums', async t => {
  for (const { path, text } of productSources()) {
    const code = withoutComments(text)
    if (/^export default\b/m.test(code)) t.fail(`${path} has a default export`)
    if (/^\s*(?:export )?(?:const )?enum\b/m.test(code)) t.fail(`${path} has an enum: use an "as const" table`)
  }
})

t.test('Lint: names say what a thing is', async t => {
  for (const { path, text } of productSources()) {
    if (/(?:manager|utils?|helpers?|misc|common)\.ts$/.test(basename(path))) t.fail(`${path}: name it for what it does`)
    const name = /\bclass (\w*(?:Manager|Util|Utils|Helper))\b/.exec(withoutComments(text))?.[1]
    if (name !== undefined) t.fail(`${path}: class ${name}`)
  }
})

t.test('Lint: files are named in kebab-case and begin with what they are', async t => {
  for (const { path, text } of productSources()) {
    if (!/^[a-z0-9]+(?:-[a-z0-9]+)*\.(?:[a-z]+\.)?ts$/.test(basename(path))) t.fail(`${path} is not in kebab-case`)
    const head = text.split('\n').slice(0, 40).join('\n')
    if (!/^ *(?:\/\/|\/\*\*?)/m.test(head)) t.fail(`${path} does not say what it is`)
  }
})
