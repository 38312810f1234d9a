// `sluice completion`: completions for the shell, made from the commands themselves, so that they never lag behind.
//
// The words are written into the script: completing starts no process.

import { Argument, type Command } from 'commander'
import { newCommand } from '../command.js'
import type { CommandTable, RunAction } from '../command-module.js'

const SHELLS = ['bash', 'zsh', 'fish'] as const

type Shell = typeof SHELLS[number]

/** A place in the command line, such as `topic create`, and the words that can follow. */
interface Place { readonly path: string, readonly words: readonly Word[] }

interface Word { readonly text: string, readonly about: string }

export function command (run: RunAction, table: CommandTable): Command {
  const completion = newCommand('completion', 'Print completions for a shell; load them where the shell starts.', [
    'source <(sluice completion bash)',
    'sluice completion zsh > ~/.zfunc/_sluice',
    'sluice completion fish > ~/.config/fish/completions/sluice.fish',
  ])
  completion.addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
  return completion.action((shell: Shell) => run(async () => {
    process.stdout.write(SCRIPTS[shell](await places(table)))
  }))
}

async function places (table: CommandTable): Promise<Place[]> {
  const top: Word[] = []
  const found: Place[] = [{ path: '', words: top }]
  for (const [name, { summary, load }] of Object.entries(table)) {
    top.push({ text: name, about: summary })
    const loaded = (await load()).command(async () => {}, table)
    found.push({ path: name, words: wordsOf(loaded) })
    for (const child of loaded.commands) found.push({ path: `${name} ${child.name()}`, words: wordsOf(child) })
  }
  return found
}

function wordsOf (command: Command): Word[] {
  return [
    ...command.commands.map(child => ({ text: child.name(), about: firstSentence(child.description()) })),
    ...command.registeredArguments.flatMap(argument => (argument.argChoices ?? []).map(text => ({ text, about: '' }))),
    ...command.options.filter(option => option.long !== undefined)
      .map(option => ({ text: option.long!, about: firstSentence(option.description) })),
    { text: '--help', about: 'show examples and options' },
  ]
}

function firstSentence (text: string): string {
  return text.split(/[.;:](?:\s|$)/)[0]!.replace(/[`'"\\[\]$]/g, '')
}

const SCRIPTS: Readonly<Record<Shell, (places: readonly Place[]) => string>> = { bash, zsh, fish }

function bash (places: readonly Place[]): string {
  const cases = places.map(({ path, words }) => `    '${path}') words='${words.map(word => word.text).join(' ')}' ;;`)
  return `# bash completion for sluice
_sluice () {
  local current="\${COMP_WORDS[COMP_CWORD]}" path='' words='' word index
  for ((index = 1; index < COMP_CWORD && index <= 2; index++)); do
    word="\${COMP_WORDS[index]}"
    [[ "$word" == -* ]] && break
    path="\${path:+$path }$word"
  done
  case "$path" in
${cases.join('\n')}
    *) case "\${path%% *}" in
${places.filter(({ path }) => path !== '' && !path.includes(' ')).map(({ path, words }) =>
    `      '${path}') words='${words.map(word => word.text).join(' ')}' ;;`).join('\n')}
    esac ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o default -F _sluice sluice
`
}

function zsh (places: readonly Place[]): string {
  const list = (words: readonly Word[]): string =>
    words.map(({ text, about }) => `'${text.replaceAll(':', '\\:')}:${about}'`).join(' ')
  const cases = places.map(({ path, words }) => `    '${path}') options=(${list(words)}) ;;`)
  return `#compdef sluice
_sluice () {
  local -a options
  local place="\${words[2]}"
  (( CURRENT == 2 )) && place=''
  if (( CURRENT > 3 )) && [[ "\${words[3]}" != -* ]]; then place="\${words[2]} \${words[3]}"; fi
  case "$place" in
${cases.join('\n')}
    *) case "\${words[2]}" in
${places.filter(({ path }) => path !== '' && !path.includes(' ')).map(({ path, words }) =>
    `      '${path}') options=(${list(words)}) ;;`).join('\n')}
    esac ;;
  esac
  _describe 'sluice' options || _files
}
if [ "$funcstack[1]" = "_sluice" ]; then _sluice "$@"; else compdef _sluice sluice; fi
`
}

function fish (places: readonly Place[]): string {
  const lines = places.flatMap(({ path, words }) => {
    const [parent, child] = path.split(' ')
    const siblings = places.filter(place => place.path.startsWith(`${parent} `)).map(place => place.path.split(' ')[1])
    const condition = path === ''
      ? '__fish_use_subcommand'
      : child === undefined
        ? `__fish_seen_subcommand_from ${parent}${siblings.length === 0 ? '' : `; and not __fish_seen_subcommand_from ${siblings.join(' ')}`}`
        : `__fish_seen_subcommand_from ${parent}; and __fish_seen_subcommand_from ${child}`
    return words.map(({ text, about }) => {
      const word = text.startsWith('--') ? `-l ${text.slice(2)}` : `-f -a ${text}`
      return `complete -c sluice -n '${condition}' ${word}${about === '' ? '' : ` -d '${about}'`}`
    })
  })
  return `# fish completion for sluice\n${lines.join('\n')}\n`
}
