// Why a broker could not start, in words for whoever started it.
//
// Most causes are no faults of the program: a port that is taken, a folder in use, a full disk. They are told in one
// sentence with what to do next. Everything else is a fault, told with its stack.

import { DataDirectoryError, DiskError, LmdbMissingError } from '@sluice/storage'
import { ConfigError } from './config.js'
import { ControlStoreError, type ControlFault } from './control/control-store.js'
import { ListenError } from './net/tcp-server.js'

const DISK_ADVICE: Readonly<Record<string, string>> = {
  EACCES: 'mend owner and mode, or choose another folder with --data',
  EPERM: 'mend owner and mode, or choose another folder with --data',
  EROFS: 'the file system is mounted read-only: mount it writable, or choose another folder with --data',
  ENOSPC: 'the disk is full: free some space, then start again',
  EDQUOT: 'the quota is used up: raise it or free some space, then start again',
  EMFILE: 'too many open files: raise the limit (ulimit -n), or lower --open-files',
  ENFILE: 'the whole machine has too many open files: raise fs.file-max',
  EIO: 'the disk reports errors: look into the log of the kernel (dmesg), then replace it or restore its data',
}

const CONTROL_ADVICE: Readonly<Partial<Record<ControlFault, string>>> = {
  unavailable: 'see that it runs, and that --control names the addresses where it takes clients',
  denied: 'see --control-user, --control-password-file and --control-ca, and what etcd grants that user',
}

/** The failure of a start in words, with what to do next; null for a fault of the program. */
export function startFailureText (error: unknown): string | null {
  if (error instanceof DiskError) {
    return `${error.message}: ${DISK_ADVICE[error.code] ?? 'mend what the code says, then start again'}`
  }
  if (error instanceof ControlStoreError && CONTROL_ADVICE[error.fault] !== undefined) {
    return `${error.message}: ${CONTROL_ADVICE[error.fault]}`
  }
  const isExplained = error instanceof DataDirectoryError || error instanceof ListenError ||
    error instanceof LmdbMissingError || error instanceof ConfigError
  return isExplained ? error.message : null
}
