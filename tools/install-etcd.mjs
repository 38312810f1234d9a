// Sees to it that the tests of clusters find an etcd: installs Debian's where there is none and this user may do that.
//
// Plain JavaScript on Node alone, like the rest of what runs before the build. It says what it does on standard error.

import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

const PACKAGE = 'etcd-server'

/** Returns whether there is an etcd in PATH afterwards; without it the tests that need one skip themselves. */
export function installEtcd () {
  if (isInPath('etcd')) return true
  if (!isInPath('apt-get')) return giveUp('this system has no apt-get')
  const isRoot = process.getuid?.() === 0
  if (!isRoot && !isInPath('sudo')) return giveUp('this user is not root and there is no sudo')
  say(`installing ${PACKAGE} …`)
  const asRoot = isRoot ? [] : ['sudo', '-n']
  // What is known of the mirrors may be old, or nothing: then look again.
  if (!run([...asRoot, ...aptGet('install', '-y', '-q', PACKAGE)])) {
    run([...asRoot, ...aptGet('update', '-q')])
    if (!run([...asRoot, ...aptGet('install', '-y', '-q', PACKAGE)])) return giveUp('apt-get failed, see above')
  }
  return isInPath('etcd') || giveUp(`${PACKAGE} has brought no etcd into PATH`)
}

function aptGet (...words) {
  // A service that starts by itself is not what anybody asked for who runs tests.
  return ['env', 'DEBIAN_FRONTEND=noninteractive', 'RUNLEVEL=1', 'apt-get', ...words]
}

function run ([command, ...words]) {
  return spawnSync(command, words, { stdio: ['ignore', 2, 2] }).status === 0
}

function isInPath (name) {
  return (process.env.PATH ?? '').split(delimiter).some(folder => {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

function giveUp (why) {
  say(`there is no etcd and ${why}: the tests of clusters are skipped. Put a binary named etcd into PATH` +
    ' (apt-get install etcd-server, or a release of etcd) to run them.')
  return false
}

function say (text) { process.stderr.write(`sluice test: ${text}\n`) }
