import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ROOT } from '../lint/sources.js'
import { replaceSection, SECTIONS } from './generated-sections.js'

for (const { name, file, text } of SECTIONS) {
  t.test(`Docs: the table "${name}" of ${file} is that of the code`, async t => {
    const written = readFileSync(join(ROOT, file), 'utf8')
    t.equal(replaceSection(written, name, await text()), written, 'npm run docs writes it anew')
  })
}

t.test('Docs: a section without its marks is an error', async t => {
  t.throws(() => replaceSection('<!-- begin a -->\n', 'a', 'x'), /marks/)
  t.equal(replaceSection('1\n<!-- begin a -->\nold\n<!-- end a -->\n2', 'a', 'new\n'), '1\n<!-- begin a -->\nnew\n<!-- end a -->\n2')
})
