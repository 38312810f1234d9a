// What `npm test` does about an etcd that is not there, with an apt-get and a sudo that only pretend.

import { spawnSync } from 'node:child_process'
import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { testFolder } from './testing/test-etcd.js'

const MODULE = fileURLToPath(new URL('../../install-etcd.mjs', import.meta.url))

/** Runs the installation with these programs in PATH and nothing else. */
async function install (t: Test, programs: Readonly<Record<string, string>>): Promise<{
  installed: boolean, stderr: string, calls: string[]
}> {
  const folder = await testFolder(t)
  const bin = join(folder, 'bin')
  await mkdir(bin)
  for (const tool of ['env', 'touch', 'chmod']) await symlink(`/usr/bin/${tool}`, join(bin, tool))
  for (const [name, script] of Object.entries(programs)) {
    const text = `#!/bin/sh\necho "${name} $*" >> '${folder}/calls'\n${script.replaceAll('$BIN', bin)}\n`
    await writeFile(join(bin, name), text)
    await chmod(join(bin, name), 0o755)
  }
  const code = `import(${JSON.stringify(MODULE)}).then(({ installEtcd }) => process.exit(installEtcd() ? 0 : 9))`
  const { status, stderr } = spawnSync(process.execPath, ['-e', code], { env: { PATH: bin }, encoding: 'utf8' })
  t.ok(status === 0 || status === 9, stderr)
  const calls = await readFile(join(folder, 'calls'), 'utf8').catch(() => '')
  return { installed: status === 0, stderr, calls: calls.split('\n').filter(line => line.startsWith('apt-get')) }
}

/** Passes on to the command behind `-n`, as the real one does where it may. */
const sudo = 'shift; exec "$@"'

t.test('Installing etcd: does nothing where there is one', async t => {
  t.match(await install(t, { etcd: '', 'apt-get': '', sudo }), { installed: true, calls: [] })
})

t.test('Installing etcd: installs it, after an update where the lists of packages are old', async t => {
  const aptGet = `
    if [ "$1" = update ]; then touch $BIN/lists; exit 0; fi
    [ -e $BIN/lists ] || exit 100
    touch $BIN/etcd; chmod 755 $BIN/etcd`
  const { installed, calls } = await install(t, { 'apt-get': aptGet, sudo })
  t.ok(installed)
  t.same(calls, ['apt-get install -y -q etcd-server', 'apt-get update -q', 'apt-get install -y -q etcd-server'])
})

t.test('Installing etcd: says what to do where it cannot (no apt-get, or one that fails)', async t => {
  const without = await install(t, {})
  t.notOk(without.installed)
  t.match(without.stderr, /no apt-get.*are skipped.*Put a binary named etcd into PATH/s)
  const failing = await install(t, { 'apt-get': 'exit 100', sudo })
  t.notOk(failing.installed)
  t.match(failing.stderr, /apt-get failed/)
})
