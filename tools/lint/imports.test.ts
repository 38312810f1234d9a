// Who may import whom, as ARCHITECTURE.md draws it. An arrow that is not in these tables is a mistake in the making.

import { readFileSync } from 'node:fs'
import { posix } from 'node:path'
import t from 'tap'
import { importsOf, isTest, PACKAGES, productSources, ROOT, sources } from './sources.js'

/** What each package may import of the others. */
const PACKAGE_IMPORTS: Readonly<Record<typeof PACKAGES[number], readonly string[]>> = {
  protocol: [],
  storage: ['@sluice/protocol'],
  broker: ['@sluice/protocol', '@sluice/storage'],
  client: ['@sluice/protocol'],
  tools: ['@sluice/protocol', '@sluice/storage', '@sluice/broker', '@sluice/client', '@sluice/bench'],
  bench: ['@sluice/protocol', '@sluice/storage', '@sluice/broker', '@sluice/client'],
}

/** What each folder of the broker may import of the others, beside limits.ts and config.ts. */
const BROKER_IMPORTS: Readonly<Record<string, readonly string[]>> = {
  runtime: ['partition'], // housekeeping goes through the partitions
  net: ['runtime'],
  log: [],
  replica: [],
  queue: [],
  group: [],
  'queue-host': ['runtime', 'log', 'queue'],
  partition: ['runtime', 'log', 'replica', 'queue', 'queue-host', 'group', 'control'], // of control the topic's record and settings
  'replica-host': ['runtime', 'log', 'partition', 'replica', 'control'],
  peer: ['runtime', 'replica'],
  control: ['runtime', 'partition', 'group', 'replica', 'queue', 'queue-host'], // of queue the settings
  placement: [],
  cluster: ['runtime', 'control', 'placement', 'replica', 'replica-host'],
  forward: ['runtime', 'net', 'control', 'placement'],
  api: [
    'runtime', 'net', 'log', 'partition', 'control', 'group', 'queue', 'queue-host', 'replica', // of replica the control batches
    'replica-host', 'peer', 'cluster', 'forward',
  ],
  security: ['runtime', 'control'],
}

t.test('Lint: packages import only what they may', async t => {
  for (const { path, text } of productSources()) {
    const name = path.split('/')[0] as typeof PACKAGES[number]
    if (!PACKAGES.includes(name)) continue
    for (const imported of importsOf(text)) {
      if (!imported.startsWith('@sluice/')) continue
      const target = imported.split('/').slice(0, 2).join('/')
      if (target === `@sluice/${name}`) t.fail(`${path} imports its own package by name: use a relative path`)
      if (!PACKAGE_IMPORTS[name].includes(target)) t.fail(`${path} imports ${imported}`)
      const isSimulator = path.startsWith('tools/simulator/')
      if (imported.endsWith('/testing') && !isSimulator) t.fail(`${path} is no test and imports ${imported}`)
    }
  }
})

t.test('Lint: what is imported is declared in package.json', async t => {
  const root = manifest('')
  for (const { path, text } of sources('.ts', '.mjs')) {
    const name = path.split('/')[0]!
    const own = (PACKAGES as readonly string[]).includes(name) ? manifest(name) : { all: [], name: '' }
    for (const imported of importsOf(text)) {
      if (imported.startsWith('.') || imported.startsWith('node:')) continue
      const target = imported.split('/').slice(0, imported.startsWith('@') ? 2 : 1).join('/')
      const isDeclared = own.all.includes(target) || own.name === target
      const isTestImport = (isTest(path) || path.endsWith('.mjs') || path.startsWith('tools/')) &&
        (root.all.includes(target) || target.startsWith('@sluice/'))
      if (!isDeclared && !isTestImport) t.fail(`${path} imports ${imported}, which ${name}/package.json does not name`)
    }
  }
})

t.test('Lint: relative imports stay inside their package', async t => {
  for (const { path, text } of sources('.ts')) {
    const name = path.split('/')[0]!
    for (const imported of importsOf(text)) {
      if (!imported.startsWith('.')) continue
      const target = posix.join(posix.dirname(path), imported)
      if (target.split('/')[0] !== name) t.fail(`${path} imports ${imported}`)
    }
  }
})

t.test('Lint: folders of the broker import only what they may', async t => {
  for (const { path, text } of productSources()) {
    const [name, folder, ...rest] = path.split('/')
    if (name !== 'broker' || rest.length === 0) continue
    const allowed = BROKER_IMPORTS[folder!]
    if (allowed === undefined) {
      t.fail(`${path}: broker/${folder} is not in the import table; add it there and to ARCHITECTURE.md`)
      continue
    }
    for (const imported of importsOf(text)) {
      if (!imported.startsWith('.')) continue
      const [, target, ...below] = posix.join(posix.dirname(path), imported).split('/')
      if (target === folder || (below.length === 0 && ['limits.js', 'config.js'].includes(target!))) continue
      if (below.length === 0 || !allowed.includes(target!)) t.fail(`${path} imports ${imported}`)
    }
  }
})

t.test('Lint: nothing imports tools or bench', async t => {
  for (const { path, text } of sources('.ts')) {
    const name = path.split('/')[0]!
    for (const imported of importsOf(text)) {
      if (/^@sluice\/(cli|bench)\b/.test(imported) && !['tools', 'bench'].includes(name)) t.fail(`${path} imports ${imported}`)
    }
  }
})

t.test('Lint: no import goes round in a circle', async t => {
  const graph = new Map(productSources().map(({ path, text }) => [path, importsOf(text).filter(item => item.startsWith('.'))
    .map(item => posix.join(posix.dirname(path), item).replace(/\.js$/, '.ts'))]))
  const types = new Map(productSources().map(({ path, text }) => [path, typeImportsOf(path, text)]))
  const state = new Map<string, 'open' | 'done'>()
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === 'done') return
    if (state.get(path) === 'open') {
      t.fail(`circle: ${[...trail.slice(trail.indexOf(path)), path].join(' → ')}`)
      return
    }
    state.set(path, 'open')
    for (const next of graph.get(path) ?? []) if (!types.get(path)!.has(next)) visit(next, [...trail, path])
    state.set(path, 'done')
  }
  for (const path of graph.keys()) visit(path, [])
})

/** Files of which only types are imported: nothing is left of these imports when it runs. */
function typeImportsOf (path: string, text: string): Set<string> {
  const found = new Set<string>()
  for (const [, types, names, module] of text.matchAll(/import (type )?(\{[^}]*\}|[\w*]+[^'\n]*?) from '(\.[^']+)'/g)) {
    const isTypeOnly = types !== undefined ||
      (names!.startsWith('{') && names!.slice(1, -1).split(',').map(name => name.trim()).filter(name => name !== '')
        .every(name => name.startsWith('type ')))
    if (isTypeOnly) found.add(posix.join(posix.dirname(path), module!).replace(/\.js$/, '.ts'))
  }
  return found
}

function manifest (folder: string): { name: string, all: string[] } {
  const found = JSON.parse(readFileSync(posix.join(ROOT, folder, 'package.json'), 'utf8')) as
    Record<string, Record<string, string>> & { name: string }
  const groups = ['dependencies', 'devDependencies', 'peerDependencies', 'optionalDependencies']
  return { name: found.name, all: groups.flatMap(group => Object.keys(found[group] ?? {})) }
}
