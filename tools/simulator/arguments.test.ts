// What the command takes, and what it says to the rest.

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { readArguments } from './arguments.js'
import { MUTANTS } from './mutants.js'

t.test('sim: what is asked for', async t => {
  t.match(readArguments([]), { task: 'seeds', from: 1, seeds: 100, mutants: MUTANTS })
  t.match(readArguments(['--seed', '17']), { task: 'seeds', from: 17, seeds: 1, mutant: undefined })
  t.match(readArguments(['--seeds', '5', '--from', '3', '--twice']), { task: 'seeds', from: 3, seeds: 5, twice: true })
  t.match(readArguments(['--jobs', '2', '--progress', 'file']),
    { task: 'bulk', jobs: 2, progressPath: 'file', secondsMax: Infinity })
  t.match(readArguments(['--jobs', '1', '--seconds', '60']), { secondsMax: 60 })
  t.match(readArguments(['--mutants', 'staleDiv', '--seeds', '500']), { task: 'mutants', seeds: 500 })
  t.same(readArguments(['--mutants', 'staleDiv']).mutants.map(({ name }) => name), ['staleDiv'])
  t.equal(readArguments(['--seed', '4', '--mutant', 'dlqTwice']).mutant?.name, 'dlqTwice')
  t.equal(readArguments(['-h']).task, 'help')
})

t.test('sim: what cannot be is refused in words', async t => {
  const refused: ReadonlyArray<readonly [string, RegExp]> = [
    ['--sed 4', /--sed/],
    ['--seed four', /--seed is a whole number/],
    ['--seed 0x10', /--seed is a whole number/],
    ['--seeds 0', /--seeds is a whole number from 1 on, not '0'/],
    ['--from -1', /--from/],
    ['--jobs 1.5', /--jobs/],
    ['--jobs 2 --seed 4', /goes without --jobs/],
    ['--jobs 2 --mutant dlqTwice', /goes without --jobs/],
    ['--progress file', /--progress goes with --jobs only/],
    ['--seconds 5', /--seconds goes with --jobs only/],
    ['--mutant staleDivv', /no mutant 'staleDivv'; those there are: .*staleDiv/],
    ['--mutants staleDivv', /no mutant 'staleDivv'/],
    ['17', /'17' is no option/],
  ]
  for (const [line, message] of refused) {
    t.throws(() => readArguments(line.split(' ')), { name: 'UsageError', message }, line)
  }
})

t.test('sim: the command ends with 2 where it is asked for nonsense, and says how it is used', async t => {
  const run = (line: string) => {
    const main = fileURLToPath(new URL('./main.js', import.meta.url))
    return spawnSync(process.execPath, [main, ...line.split(' ')], { encoding: 'utf8' })
  }
  const help = run('--help')
  t.equal(help.status, 0)
  t.match(help.stdout, /--progress FILE/)
  const bad = run('--seeds many')
  t.equal(bad.status, 2)
  t.match(bad.stderr, /^sim: --seeds is a whole number/)
  t.match(bad.stderr, /--progress FILE/)
  t.notMatch(bad.stderr, / at .*\.js:/, 'no stack')
})

t.test('sim: a run that fails ends with 1, and names the command that replays it', async t => {
  const main = fileURLToPath(new URL('./main.js', import.meta.url))
  const { status, stdout } = spawnSync(process.execPath, [main, '--seed', '1', '--mutant', 'minorityRecovery'], { encoding: 'utf8' })
  t.equal(status, 1)
  t.match(stdout, /FAILED seed 1: .*\n {2}replay: npm run sim -- --seed 1 --mutant minorityRecovery\n/)
})
