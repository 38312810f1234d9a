import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { staleFiles } from './generate.js'
import { readDefinitions } from './generate/definitions.js'
import { fillSections } from './generate/document.js'
import { releaseFaults, releaseOf, type Release } from './generate/release.js'
import { PACKAGE_FOLDER } from './testing/vector-files.js'

/** A copy of what the generator reads and writes, to be changed at will. */
function packageCopy (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-protocol-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  for (const name of ['schemas', 'vectors', 'generated', 'apis.json', 'errors.json', 'PROTOCOL.md']) {
    cpSync(join(PACKAGE_FOLDER, name), join(folder, name), { recursive: true })
  }
  mkdirSync(join(folder, 'wireshark'))
  cpSync(join(PACKAGE_FOLDER, 'wireshark/sluice.lua'), join(folder, 'wireshark/sluice.lua'))
  return folder
}

function change (folder: string, path: string, from: string | RegExp, to: string): void {
  const file = join(folder, path)
  const text = readFileSync(file, 'utf8')
  const changed = text.replace(from, to)
  if (changed === text) throw new Error(`${path} does not hold ${from}`)
  writeFileSync(file, changed)
}

t.test('Generator: types, vectors, PROTOCOL.md and the dissector are what the schemas say', async t => {
  t.strictSame(staleFiles(PACKAGE_FOLDER), [])
})

t.test('Generator: a changed schema, document, vector or dissector is found', async t => {
  const folder = packageCopy(t)
  t.strictSame(staleFiles(folder), [])
  change(folder, 'vectors/fetch.v1.json', '"offset":42', '"offset":43')
  change(folder, 'PROTOCOL.md', 'correlation 7', 'correlation 8')
  change(folder, 'wireshark/sluice.lua', '[5] = "fetch"', '[5] = "fresh"')
  change(folder, 'errors.json', 'Nothing to do.', 'Rejoice.')
  t.strictSame(staleFiles(folder).map(line => line.split(' ')[0]).sort(),
    ['protocol/PROTOCOL.md', 'protocol/generated/errors.ts', 'protocol/vectors/fetch.v1.json', 'protocol/wireshark/sluice.lua'])
})

t.test('Generator: an api without a schema, or a schema without an api, is refused', async t => {
  const folder = packageCopy(t)
  change(folder, 'apis.json', '"name": "goAway"', '"name": "goHome"')
  t.throws(() => readDefinitions(folder), /goAway|goHome/)
})

t.test('Generator: a document that misses a section is refused', async t => {
  const sections = new Map([['a', 'text'], ['b', 'text']])
  t.throws(() => fillSections('<!-- generated:a -->\n<!-- end -->', sections), /misses .* b/)
  t.throws(() => fillSections('<!-- generated:c -->\n<!-- end -->', sections), /no generated section "c"/)
})

t.test('PROTOCOL.md: every link inside it leads somewhere', async t => {
  const document = readFileSync(join(PACKAGE_FOLDER, 'PROTOCOL.md'), 'utf8')
  const anchors = new Set([...document.matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    title!.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-')))
  const links = [...document.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor!)
  t.ok(links.length > 40)
  t.strictSame(links.filter(link => !anchors.has(link)), [])
})

t.test('PROTOCOL.md: names every error, api and flag', async t => {
  const document = readFileSync(join(PACKAGE_FOLDER, 'PROTOCOL.md'), 'utf8')
  const { apis, errors } = readDefinitions(PACKAGE_FOLDER)
  for (const { name } of errors) t.ok(document.includes(`| ${name} |`), name)
  for (const { name } of apis) t.match(document, new RegExp(`^### ${name}$`, 'm'))
})

t.test('Release: nothing that was released has changed', async t => {
  const released = JSON.parse(readFileSync(join(PACKAGE_FOLDER, 'vectors/released.json'), 'utf8')) as Release
  t.strictSame(releaseFaults(PACKAGE_FOLDER, released), [])
})

t.test('Release: a changed field, vector or a removed one is found; words and additions are free', async t => {
  const folder = packageCopy(t)
  const released = releaseOf(folder)
  t.ok(Object.keys(released).length > 150)
  change(folder, 'schemas/fetch.v1.request.avsc', 'How long to wait for minBytes', 'How long one may wait for minBytes')
  writeFileSync(join(folder, 'schemas/fetch.v2.request.avsc'), readFileSync(join(folder, 'schemas/fetch.v1.request.avsc')))
  t.strictSame(releaseFaults(folder, released), [], 'words and new versions')
  change(folder, 'schemas/fetch.v1.request.avsc', '"maxWaitMs"', '"waitMs"')
  change(folder, 'vectors/batches.json', '"name":"gzip"', '"name":"gzip-2"')
  t.strictSame(releaseFaults(folder, released).map(line => line.split(' was ')[0]),
    ['protocol/schemas/fetch.v1.request.avsc', 'protocol/vectors/batches.json#gzip'])
})
