// Exit codes of the `sluice` command, the same for every subcommand. Scripts branch on them.

export const EXIT = {
  ok: 0,
  /** It was tried and failed, wholly or in part. */
  failed: 1,
  /** Wrong command, option or value; nothing was tried. */
  usage: 2,
  /** The topic, group, folder or file is not there. */
  notFound: 3,
  /** Authentication or authorization failed, or a confirmation was not given. */
  notAllowed: 4,
  /** No answer within `--timeout`, or no broker could be reached. */
  timedOut: 5,
  /** It works, but not as it should: `doctor` has warnings, a partition is offline. */
  degraded: 6,
} as const

export type ExitCode = typeof EXIT[keyof typeof EXIT]
