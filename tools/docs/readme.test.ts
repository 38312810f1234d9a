// Runs every example of every README against a broker: ```ts blocks are compiled with the strictest settings and run,
// each as a program of its own; ```sh blocks run in bash, from an empty folder, and stop at the first command that
// fails. What is not to be run is ```text, or has no language.
//
// Programs find the broker in SLUICE_BROKERS, as users' do. `npx` is the built command: no look-up, no download.

import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startTestBroker } from '@sluice/broker/testing'
import t from 'tap'
import ts from 'typescript'
import { PACKAGES, ROOT } from '../lint/sources.js'

interface Block { readonly place: string, readonly language: 'ts' | 'sh', readonly code: string }

const FILES = ['README.md', 'broker/OPERATIONS.md', ...PACKAGES.map(name => `${name}/README.md`)]
const TIMEOUT_MS = 120_000

const blocks = FILES.flatMap(blocksOf)
// Inside the package, so that imports are found as in a program of a user.
const compiled = fileURLToPath(new URL('./examples/', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'sluice-docs-'))
rmSync(compiled, { recursive: true, force: true })
mkdirSync(compiled, { recursive: true })
mkdirSync(join(folder, 'bin'))
writeFileSync(join(folder, 'bin', 'npx'), `#!/bin/sh\nshift\nexec '${process.execPath}' '${ROOT}tools/bin/sluice.js' "$@"\n`)
chmodSync(join(folder, 'bin', 'npx'), 0o755)
t.teardown(() => {
  rmSync(folder, { recursive: true, force: true })
  rmSync(compiled, { recursive: true, force: true })
})

const broker = await startTestBroker()
t.teardown(() => broker[Symbol.asyncDispose]())

t.test('Docs: there are examples', async t => {
  t.ok(blocks.some(block => block.language === 'ts' && block.place.startsWith('client/')))
  t.ok(blocks.some(block => block.language === 'sh'))
})

t.test('Docs: the TypeScript examples compile', async t => {
  const programs = blocks.filter(block => block.language === 'ts')
  for (const block of programs) writeFileSync(sourceOf(block), `${withFolder(block.code)}\nexport {}\n`)
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.base.json'), path => readFileSync(path, 'utf8')) as
    { config: { compilerOptions: object } }
  const { options } = ts.convertCompilerOptionsFromJson({
    ...config.compilerOptions,
    composite: false,
    incremental: false,
    declaration: false,
    declarationMap: false,
    sourceMap: false,
    noUnusedLocals: false,
    typeRoots: [join(ROOT, 'node_modules/@types')],
  }, compiled)
  const program = ts.createProgram(programs.map(sourceOf), options)
  const faults = ts.getPreEmitDiagnostics(program)
  for (const { file, start, messageText } of faults) {
    const block = programs.find(program => sourceOf(program) === file?.fileName)
    const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start ?? 0).line + 1
    t.fail(`${block?.place ?? file?.fileName}, line ${line} of the example: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`)
  }
  program.emit()
})

for (const block of blocks) {
  t.test(`Docs: ${block.place} runs (${block.language})`, async t => {
    const work = mkdtempSync(join(folder, 'work-'))
    const [command, args] = block.language === 'ts'
      ? [process.execPath, [sourceOf(block).replace(/\.mts$/, '.mjs')]] as const
      : ['bash', ['-euo', 'pipefail', '-c', withFolder(block.code)]] as const
    const { code, output } = await run(command, args, work)
    t.equal(code, 0, output)
  })
}

/** The examples of one file. A missing file has none: that READMEs are there is another test. */
function blocksOf (file: string): Block[] {
  let text: string
  try {
    text = readFileSync(join(ROOT, file), 'utf8')
  } catch {
    return []
  }
  return [...text.matchAll(/^```(ts|sh)\n([\s\S]*?)^```$/gm)].map(match => ({
    place: `${file}:${text.slice(0, match.index).split('\n').length}`,
    language: match[1] as Block['language'],
    code: match[2]!,
  }))
}

function sourceOf (block: Block): string {
  return join(compiled, `${block.place.replace(/\W+/g, '-')}.mts`)
}

/** Examples name the folder of a service; here it is a temporary one. */
function withFolder (code: string): string {
  return code.replaceAll('/var/lib/app', join(folder, 'app'))
}

function run (command: string, args: readonly string[], cwd: string): Promise<{ code: number | null, output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, SLUICE_BROKERS: broker.address, PATH: `${join(folder, 'bin')}:${process.env.PATH}` },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: TIMEOUT_MS,
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => { output += text })
    child.once('error', reject)
    child.once('close', code => resolve({ code, output }))
  })
}
