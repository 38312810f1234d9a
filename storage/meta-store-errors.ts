// What can be wrong with a meta store.

/** The files of a meta store are damaged, or not its own. What it held can be rebuilt from the logs. */
export class MetaStoreCorruptError extends Error {
  readonly code = 'META_STORE_CORRUPT'
  readonly directory: string

  constructor (directory: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    super(`The meta store in ${directory} is damaged: ${reason}. Move the folder away while no broker is running; ` +
      'its indexes are rebuilt from the logs.', { cause })
    this.name = 'MetaStoreCorruptError'
    this.directory = directory
  }
}

/** A commit failed in a way that repeating cannot mend. The store takes no more writes; reads go on. */
export class MetaStoreFailedError extends Error {
  readonly code = 'META_STORE_FAILED'
  readonly directory: string

  constructor (directory: string, reason: string) {
    super(`The meta store in ${directory} could not commit and takes no more writes: ${reason}. Check the disk, then ` +
      'restart the broker.')
    this.name = 'MetaStoreFailedError'
    this.directory = directory
  }
}
