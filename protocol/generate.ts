// Writes everything in this package that follows from something else in it. With `--check` it writes nothing and fails
// where a file on disk differs; with `--release` it also records what is there as released, which must not change any
// more.
//
//   apis.json, errors.json, schemas/*.avsc ──┬─▶ generated/*.ts        types, schemas, errors
//                                            ├─▶ vectors/*.json        what a message looks like in bytes
//                     generate/*-samples.ts ─┤
//                                            ├─▶ PROTOCOL.md           tables and hex dumps between its marks
//                                            └─▶ wireshark/sluice.lua  tables between its marks
//
//   node protocol/dist/generate.js [--check | --release]

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { batchVectors } from './generate/batch-samples.js'
import { checksumVectors } from './generate/checksums.js'
import { readDefinitions, type Definitions } from './generate/definitions.js'
import { fillTables } from './generate/dissector.js'
import { documentSections, fillSections } from './generate/document.js'
import { malformedBatches, malformedBodies, malformedFrames } from './generate/malformed-vectors.js'
import { messageVectors } from './generate/message-vectors.js'
import { releaseFaults, releaseOf, type Release } from './generate/release.js'
import { errorsSource, messagesSource } from './generate/typescript.js'

const RELEASED = 'vectors/released.json'

/** Texts of the files to be, by path below the package folder. */
export function generateFiles (packageFolder: string): Map<string, string> {
  const definitions = readDefinitions(packageFolder)
  const read = (path: string): string => readFileSync(join(packageFolder, path), 'utf8')
  const batches = batchVectors()
  const checksums = checksumVectors()
  const files = new Map([
    ['generated/messages.ts', messagesSource(definitions)],
    ['generated/errors.ts', errorsSource(definitions.errors)],
    ['vectors/batches.json', vectorText(batches)],
    ['vectors/malformed-frames.json', vectorText(malformedFrames())],
    ['vectors/malformed-bodies.json', vectorText(malformedBodies(definitions))],
    ['vectors/malformed-batches.json', vectorText(malformedBatches())],
    ['vectors/checksums.json', JSON.stringify(checksums, null, 2) + '\n'],
    ['PROTOCOL.md', fillSections(read('PROTOCOL.md'), documentSections(definitions, batches, checksums))],
    ['wireshark/sluice.lua', fillTables(read('wireshark/sluice.lua'), definitions)],
  ])
  for (const [name, vectors] of messageVectorFiles(definitions)) files.set(name, vectorText(vectors))
  return files
}

/** A file per api and version; error responses have one of their own. */
function messageVectorFiles (definitions: Definitions): Map<string, unknown[]> {
  const files = new Map<string, unknown[]>()
  for (const message of definitions.messages) {
    const name = `vectors/${message.api}.v${message.version}.json`
    files.set(name, [...files.get(name) ?? [], ...messageVectors(message, definitions)])
  }
  return files
}

/** One vector a line, so that a difference shows which. */
function vectorText (vectors: readonly unknown[]): string {
  return `[\n${vectors.map(vector => JSON.stringify(vector)).join(',\n')}\n]\n`
}

/** What differs between the files to be and those on disk, a line each. */
export function staleFiles (packageFolder: string): string[] {
  return [...generateFiles(packageFolder)].filter(([path, text]) => {
    const file = join(packageFolder, path)
    return !existsSync(file) || readFileSync(file, 'utf8') !== text
  }).map(([path]) => `protocol/${path} is not what it is made from says: run npm run generate --workspace @sluice/protocol`)
}

function run (packageFolder: string, mode: string | undefined): string[] {
  const released = JSON.parse(readFileSync(join(packageFolder, RELEASED), 'utf8')) as Release
  if (mode === '--check') return [...staleFiles(packageFolder), ...releaseFaults(packageFolder, released)]
  const files = generateFiles(packageFolder)
  for (const [path, text] of files) writeFileSync(join(packageFolder, path), text)
  const faults = releaseFaults(packageFolder, released)
  if (mode === '--release' && faults.length === 0) {
    writeFileSync(join(packageFolder, RELEASED), JSON.stringify(releaseOf(packageFolder), null, 2) + '\n')
  }
  return faults
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const faults = run(fileURLToPath(new URL('..', import.meta.url)), process.argv[2])
  for (const fault of faults) console.error(fault)
  if (faults.length > 0) process.exitCode = 1
}
