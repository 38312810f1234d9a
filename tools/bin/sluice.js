#!/usr/bin/env node
// The `sluice` command. CommonJS on purpose (see package.json beside it): loading an ES module starts libuv's thread
// pool, and its size has to be set before. Disk writes, fsyncs and reads of a broker share that pool: with the default
// of 4 threads they would wait for each other.

'use strict'

process.env.UV_THREADPOOL_SIZE ??= '16'

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`sluice: Node ${process.versions.node} is too old: Sluice needs 20.19 or later.\n`)
  process.exit(1)
}

// From Node 22.8 on: compiled code is kept between runs.
require('node:module').enableCompileCache?.()

import('../dist/cli/main.js').then(
  async ({ main }) => process.exit(await main(process.argv.slice(2))),
  error => {
    const missing = error.code === 'ERR_MODULE_NOT_FOUND'
    process.stderr.write(missing
      ? `sluice: a part is missing, is it built? Run npm run build, or npm run setup on a fresh checkout.\n${error.message}\n`
      : `${error.stack}\n`)
    process.exit(1)
  })
