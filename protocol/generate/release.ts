// What has been released stays as it is: vectors/released.json holds a fingerprint of every schema and every vector of
// the released versions. Later versions add lines to it; they never change one.

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Fingerprints by name: `schemas/fetch.v1.request.avsc`, or `vectors/fetch.v1.json#fetch.v1.request/typical`. */
export type Release = Readonly<Record<string, string>>

interface NamedVector { name: string, hex: string }

/** Fingerprints of the schemas and vectors in a package folder. Words for people (`doc`, `about`) do not count. */
export function releaseOf (packageFolder: string): Release {
  const release: Record<string, string> = {}
  const json = (path: string): unknown => JSON.parse(readFileSync(join(packageFolder, path), 'utf8'))
  for (const file of readdirSync(join(packageFolder, 'schemas')).sort()) {
    release[`schemas/${file}`] = fingerprint(json(`schemas/${file}`))
  }
  for (const file of readdirSync(join(packageFolder, 'vectors')).sort()) {
    if (file === 'released.json') continue
    const vectors = json(`vectors/${file}`)
    if (!Array.isArray(vectors)) {
      release[`vectors/${file}`] = fingerprint(vectors)
      continue
    }
    for (const vector of vectors as NamedVector[]) release[`vectors/${file}#${vector.name}`] = fingerprint(vector)
  }
  return release
}

/** What was released and has changed or gone since, a line each. */
export function releaseFaults (packageFolder: string, released: Release): string[] {
  const present = releaseOf(packageFolder)
  return Object.entries(released).filter(([name, print]) => present[name] !== print).map(([name]) =>
    present[name] === undefined
      ? `protocol/${name} was released and is gone`
      : `protocol/${name} was released and has changed: a change of a message is a new version of its api`)
}

function fingerprint (value: unknown): string {
  const text = JSON.stringify(value, (key, part: unknown) => key === 'doc' || key === 'about' ? undefined : part)
  return createHash('sha256').update(text).digest('hex')
}
