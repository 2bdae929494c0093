import { existsSync, mkdirSync } from 'node:fs';
import type { TerminalSettings } from '../protocol/terminal.ts';

type Environment = Readonly<Record<string, string>>;

/** What everybody's terminal descends from. */
const plainTerminal = 'xterm-256color';
const terminfoFolders = ['/usr/share/terminfo', '/usr/lib/terminfo', '/lib/terminfo', '/etc/terminfo'];
const shells = ['/bin/bash', '/bin/sh'];

/** The command, or the user's login shell. */
export function commandOf({ command }: TerminalSettings): readonly string[] {
  return command ?? [loginShell(), '-l'];
}

/** Of this process, and what a terminal needs besides. */
export function environmentOf({ command, tty, prompt }: TerminalSettings, own: Environment): Environment {
  return {
    ...own,
    ...(command === undefined && { SHELL: loginShell(), PS1: promptOf(prompt) }),
    ...(tty && { TERM: knownTerminal(tty.term) }),
  };
}

function loginShell(): string {
  return shells.find((file) => existsSync(file)) ?? '/bin/sh';
}

function promptOf(prompt: string): string {
  return loginShell().endsWith('bash') ? `${prompt}:\\w\\$ ` : `${prompt} $ `;
}

/** A program that finds no description of its terminal refuses to run, and new terminals come faster than descriptions. */
function knownTerminal(term: string): string {
  const isKnown = terminfoFolders.some((folder) => existsSync(`${folder}/${term.slice(0, 1)}/${term}`));
  return isKnown ? term : plainTerminal;
}

/** An app may have removed it. */
export function ensureHome(home: string | undefined): void {
  if (home === undefined) return;
  try {
    mkdirSync(home, { recursive: true, mode: 0o700 });
  } catch {
    // The disk is full, say: the shell that is to make room runs without.
  }
}

export function enter(directory: string): void {
  try {
    process.chdir(directory);
  } catch {
    // It was removed, or is another's: where the sandbox began will do.
  }
}
