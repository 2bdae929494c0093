import type { Command } from 'commander';
import type { ReloadResult } from '../protocol/control.ts';
import { callDaemon } from './control-client.ts';
import { printable } from './printable.ts';
import { renderProblem } from './problem-text.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { type Terminal, writeJson } from './terminal.ts';
import { wrapText } from './wrap-text.ts';

/** Answered when every change is carried out: new workers may take their whole start time. */
const timeoutMs = 150_000;

export function registerReload(program: Command, surroundings: Surroundings): void {
  program
    .command('reload')
    .description('re-read the configuration now, and wait until its changes are carried out')
    .addHelpText('after', '\nChanged files are read within a second anyway.\n\nExample: tenantctl reload')
    .action(async (_options: object, command: Command) => {
      const { config, json } = command.optsWithGlobals<GlobalOptions>();
      const result = (await callDaemon(surroundings, config, 'reload', {}, timeoutMs)) as ReloadResult;
      if (json) writeJson(surroundings.terminal, result);
      else surroundings.terminal.writeOut(renderReload(result, surroundings.terminal));
    });
}

function renderReload({ added, changed, removed, problems }: ReloadResult, { width, paint }: Terminal): string {
  const lines = [...nameLine('added', added), ...nameLine('changed', changed), ...nameLine('removed', removed)];
  if (lines.length === 0) lines.push('nothing changed since the files were read last');
  return [...lines, ...problems.flatMap((problem) => renderProblem(problem, { width, paint, indent: '' }))].join('\n') + '\n';

  function nameLine(label: string, names: string[]): string[] {
    return names.length === 0 ? [] : wrapText(`${label}: ${names.map(printable).join(', ')}`, width);
  }
}
