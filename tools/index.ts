// The public entry of @sluice/cli: the command line as a function, for programs that bring their own executable.

export { main } from './cli/main.js'
export { EXIT, type ExitCode } from './cli/exit-code.js'
