// Why a folder cannot be used as a broker's data folder.

export type DataDirectoryErrorCode =
  /** Another process uses it. */
  'LOCKED' |
  /** It holds something that is not Sluice's. */
  'FOREIGN_FOLDER' |
  /** It was written by a newer version. */
  'NEWER_FORMAT' |
  /** It belongs to another broker, or another cluster. */
  'WRONG_BROKER' | 'WRONG_CLUSTER' |
  /** It cannot be made or written to. */
  'NOT_WRITABLE' |
  /** Its identity file cannot be understood. */
  'DAMAGED'

/** The message says what is wrong with which folder, and what to do. */
export class DataDirectoryError extends Error {
  readonly code: DataDirectoryErrorCode
  readonly directory: string

  constructor (code: DataDirectoryErrorCode, directory: string, message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'DataDirectoryError'
    this.code = code
    this.directory = directory
  }
}
