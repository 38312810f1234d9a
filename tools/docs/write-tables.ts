// `npm run docs`: writes the tables that come from the code into the documentation.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../lint/sources.js'
import { replaceSection, SECTIONS } from './generated-sections.js'

for (const { name, file, text } of SECTIONS) {
  const path = join(ROOT, file)
  const before = readFileSync(path, 'utf8')
  const after = replaceSection(before, name, await text())
  if (after === before) continue
  writeFileSync(path, after)
  process.stdout.write(`${file}: ${name}\n`)
}
