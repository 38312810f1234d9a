// The `sluice` command: finds the subcommand, loads only that, runs it, and turns what happens into an exit code.
//
// Data goes to standard output, everything else to standard error.

import { CommanderError, type Command } from 'commander'
import type { CommandTable, RunAction } from './command-module.js'
import { newCommand } from './command.js'
import { EXIT } from './exit-code.js'
import { explainError } from './explain-error.js'

/** All commands in the order of the help. */
export const COMMANDS: CommandTable = {
  broker: { summary: 'run a broker', load: () => import('./commands/broker.js') },
  topic: { summary: 'create, list, describe, alter, delete and truncate topics', load: () => import('./commands/topic.js') },
  produce: { summary: 'send records from standard input', load: () => import('./commands/produce.js') },
  consume: { summary: 'print records', load: () => import('./commands/consume.js') },
  queue: { summary: 'create queues, send, receive, settle, look inside, redrive', load: () => import('./commands/queue.js') },
  group: { summary: 'list, describe, reset and delete consumer groups, show their lag', load: () => import('./commands/group.js') },
  segment: { summary: 'look into the files of a stopped broker, verify and repair them', load: () => import('./commands/segment.js') },
  cluster: { summary: 'run a cluster here, show its state, drain and rebalance', load: () => import('./commands/cluster.js') },
  doctor: { summary: 'check machine, folder, port and broker', load: () => import('./commands/doctor.js') },
  rtt: { summary: 'measure the round trip to a broker', load: () => import('./commands/rtt.js') },
  conformance: { summary: 'check that a broker speaks the protocol', load: () => import('./commands/conformance.js') },
  bench: { summary: 'measure a broker on this machine', load: () => import('./commands/bench.js') },
  completion: { summary: 'print completions for bash, zsh or fish', load: () => import('./commands/completion.js') },
}

const EXAMPLES = [
  'sluice broker --data ./data',
  'sluice topic create orders --partitions 4',
  "printf 'u1:hello\\n' | sluice produce orders -k :",
  "sluice consume orders -o start -e -f '%p %o %k %v\\n'",
]

/** Runs one command line; resolves with the exit code of the process. */
export async function main (args: readonly string[]): Promise<number> {
  let exitCode: number = EXIT.ok
  process.stdout.on('error', onOutputError)
  const run: RunAction = async work => { exitCode = await work() ?? EXIT.ok }
  const program = await programFor(args, run)
  try {
    await program.parseAsync(args, { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) return usageExit(program, args, error)
    const { text, exitCode } = explainError(error)
    process.stderr.write(`${commandName(program, args)}: ${text}\n`)
    return exitCode
  }
}

/** Who reads the output may stop reading: what was asked for is done all the same, and told nobody. */
function onOutputError (error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
}

/** The program with the one command that is asked for, or with the names of all where none is. */
async function programFor (args: readonly string[], run: RunAction): Promise<Command> {
  const { VERSION } = await import('./version.js')
  const program = newCommand('sluice', 'A partitioned log broker: run it, feed it, read it, look after it.', EXAMPLES)
  program.version(VERSION, '-V, --version', 'print the version').helpCommand(false)
  program.addHelpText('after', `
Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 not allowed, 5 timed out, 6 degraded.
Addresses come from --brokers, else SLUICE_BROKERS, else 127.0.0.1:7400.`)
  const name = args[0] ?? ''
  if (Object.hasOwn(COMMANDS, name)) {
    program.addCommand((await COMMANDS[name]!.load()).command(run, COMMANDS))
    return program
  }
  for (const [name, { summary }] of Object.entries(COMMANDS)) program.addCommand(newCommand(name, summary, []))
  if (args.length === 0) program.action(() => program.outputHelp())
  return program
}

/** Help and version are no mistakes; everything else that commander complains of is. */
function usageExit (program: Command, args: readonly string[], error: CommanderError): number {
  if (error.exitCode === 0) return EXIT.ok
  const name = commandName(program, args)
  if (error.code === 'commander.help') {
    process.stderr.write(`${name}: a subcommand is missing: see ${name} --help\n`)
  } else {
    process.stderr.write(`${name}: ${error.message.replace(/^error: /, '')}\n${name}: see ${name} --help\n`)
  }
  return EXIT.usage
}

/** `sluice topic create`, as far as the words were commands. */
function commandName (program: Command, args: readonly string[]): string {
  let found = program
  const words = ['sluice']
  for (const word of args) {
    const next = found.commands.find(command => command.name() === word)
    if (next === undefined) break
    words.push(word)
    found = next
  }
  return words.join(' ')
}
