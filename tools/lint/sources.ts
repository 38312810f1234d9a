// The files of the repository as the lints see them: what people wrote, not what was built or installed.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

export const PACKAGES = ['protocol', 'storage', 'broker', 'client', 'tools', 'bench'] as const

const SKIPPED: ReadonlySet<string> = new Set(['node_modules', 'dist', '.git', '.tap', '.clinic', 'data'])

export interface Source {
  /** From the root, with slashes: `broker/api/fetch.ts`. */
  readonly path: string
  readonly text: string
}

/** Files of the repository whose name ends in one of `endings`, sorted by path. */
export function sources (...endings: string[]): Source[] {
  return walk('').filter(path => endings.some(ending => path.endsWith(ending)))
    .map(path => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }))
}

/** TypeScript that is part of a product: no tests, nothing generated. */
export function productSources (): Source[] {
  return sources('.ts').filter(({ path }) => !isTest(path) && !path.includes('/generated/') && !path.endsWith('.d.ts'))
}

/** Tests and what only they use, and measurements that are run by hand: neither is packed. */
export function isTest (path: string): boolean {
  return /\.(test|fixture|child|bench)\.|-contract\.ts$|\/testing\/|\/test-|\.double\./.test(path)
}

/** The modules that a file imports, as written, static and dynamic ones. */
export function importsOf (text: string): string[] {
  const code = withoutBlockComments(text)
  const named = /(?:^|[\n;])\s*(?:import|export)\b[^'"`;]*?\bfrom\s*'([^']+)'/g
  const dynamic = /\bimport\(\s*'([^']+)'\s*\)/g
  const bare = /(?:^|\n)import '([^']+)'/g
  return [named, dynamic, bare].flatMap(pattern => [...code.matchAll(pattern)].map(match => match[1]!))
}

/** The code without its comments, lines kept in place. For searches: strings that hold `//` are cut too. */
export function withoutComments (text: string): string {
  return withoutBlockComments(text).replace(/(^|[^:'"`\\])\/\/.*$/gm, '$1')
}

function withoutBlockComments (text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, comment => comment.replace(/[^\n]/g, ''))
}

function walk (folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap(entry => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : walk(path)
    return entry.isFile() ? [path] : []
  }).sort()
}
