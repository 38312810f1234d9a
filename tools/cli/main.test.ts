import { spawnSync } from 'node:child_process'
import t from 'tap'
import { COMMANDS } from './main.js'
import { runCommand } from './testing/command-process.js'
import { runHere } from './testing/run-here.js'

t.test('sluice --help: every command, and every help begins with three real examples', async t => {
  const { stdout } = await runCommand(['--help'])
  t.match(stdout.toString(), /^Examples:\n/)
  for (const [name, module] of Object.entries(COMMANDS)) {
    t.match(stdout.toString(), new RegExp(`^ {2}${name} `, 'm'))
    const { commands } = (await module.load()).command(async () => {}, COMMANDS)
    for (const path of [[name], ...commands.map(command => [name, command.name()])]) {
      const help = await runHere([...path, '--help'])
      t.equal(help.code, 0)
      t.match(help.stdout.toString(), /^Examples:\n(?: {2}\S.*\n){3,}\nUsage: /, path.join(' '))
    }
  }
})

t.test('sluice: what it does not know', async t => {
  const unknown = await runCommand(['tpoic'])
  t.equal(unknown.code, 2)
  t.match(unknown.stderr, /unknown command 'tpoic'[^]*topic/)
  t.equal(unknown.stdout.length, 0)
  t.equal((await runCommand(['--colour'])).code, 2)
  t.equal((await runCommand([])).code, 0, 'alone it prints its help')
  t.match((await runCommand(['--version'])).stdout.toString(), /^\d+\.\d+\.\d+\n$/)
})

t.test('sluice bench: what it refuses, it explains (2), and a regression is a failure (1)', async t => {
  const missing = await runCommand(['bench', 'compare', 'no-such-file.json', 'no-such-file.json'])
  t.equal(missing.code, 2)
  t.match(missing.stderr, /^sluice bench compare: no-such-file\.json cannot be read/)
  const option = await runCommand(['bench', 'produce', '--size', '0'])
  t.equal(option.code, 2)
  t.match(option.stderr, /--size.*must be a whole number from 1/)
  t.equal((await runCommand(['bench'])).code, 2)
})

t.test('sluice completion: scripts that their shells accept', async t => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, stdout } = await runCommand(['completion', shell])
    t.equal(code, 0)
    t.match(stdout.toString(), /truncate/)
    const check = spawnSync(shell, ['-n'], { input: stdout })
    if (check.error === undefined) t.equal(check.status, 0, `${shell}: ${check.stderr.toString()}`)
  }
  t.equal((await runCommand(['completion', 'csh'])).code, 2)
})

t.test('sluice completion: bash completes commands, subcommands and options', async t => {
  const { stdout } = await runCommand(['completion', 'bash'])
  const complete = (...words: string[]): string[] => {
    const list = words.map(word => `'${word}'`).join(' ')
    const script = `${stdout.toString()}\nCOMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _sluice; printf '%s\\n' "\${COMPREPLY[@]}"`
    return spawnSync('bash', ['-c', script]).stdout.toString().trim().split('\n')
  }
  t.same(complete('sluice', 'pro'), ['produce'])
  t.same(complete('sluice', 'topic', 'de'), ['describe', 'delete'])
  t.same(complete('sluice', 'topic', 'create', '--part'), ['--partitions'])
  t.same(complete('sluice', 'consume', 'orders', '--gr'), ['--group', '--grep'])
})
