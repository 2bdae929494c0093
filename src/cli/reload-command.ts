import type { Command } from 'commander';
import type { EdgesReplaced, ReloadResult } from '../protocol/control.ts';
import { callDaemon } from './control-client.ts';
import { printable } from './printable.ts';
import { renderProblem } from './problem-text.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { type Terminal, writeJson } from './terminal.ts';
import { wrapText } from './wrap-text.ts';

/** Answered when every change is carried out: new workers may take their whole start time, and new edges theirs. */
const timeoutMs = 240_000;

const helpAfter = `
Changed files are read within a second anyway. With --edges it is answered when
the new edges accept connections and the old ones no longer do; what is open at
the old ones goes on, for an hour at most.

Example: tenantctl reload --edges`;

export function registerReload(program: Command, surroundings: Surroundings): void {
  program
    .command('reload')
    .description('re-read the configuration now, and wait until its changes are carried out')
    .option('--edges', 'also put new edges in the place of the old, with the present settings, without a refused connection')
    .addHelpText('after', helpAfter)
    .action(async ({ edges = false }: { edges?: boolean }, command: Command) => {
      const { config, json } = command.optsWithGlobals<GlobalOptions>();
      const result = (await callDaemon(surroundings, config, 'reload', edges ? { edges } : {}, timeoutMs)) as ReloadResult;
      if (json) writeJson(surroundings.terminal, result);
      else surroundings.terminal.writeOut(renderReload(result, surroundings.terminal));
    });
}

function renderReload({ added, changed, removed, problems, edges }: ReloadResult, { width, paint }: Terminal): string {
  const lines = [...nameLine('added', added), ...nameLine('changed', changed), ...nameLine('removed', removed)];
  if (lines.length === 0) lines.push('nothing changed since the files were read last');
  if (edges) lines.push(edgesLine(edges));
  return [...lines, ...problems.flatMap((problem) => renderProblem(problem, { width, paint, indent: '' }))].join('\n') + '\n';

  function nameLine(label: string, names: string[]): string[] {
    return names.length === 0 ? [] : wrapText(`${label}: ${names.map(printable).join(', ')}`, width);
  }
}

function edgesLine({ processes, finishing }: EdgesReplaced): string {
  const old = finishing === 0 ? '' : `; ${finishing} old ${finishing === 1 ? 'one finishes' : 'ones finish'} what is open`;
  return `${processes.length} new edge ${processes.length === 1 ? 'process serves' : 'processes serve'}${old}`;
}
