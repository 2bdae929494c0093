import type { Command } from 'commander';
import type { ReleasesResult, ReleaseStatus } from '../protocol/release-calls.ts';
import { callDaemon } from './control-client.ts';
import { printable } from './printable.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { formatBytes, formatDistance } from './quantities.ts';
import { parseAppReference } from './references.ts';
import { layoutOf, type TextLayout, writeJson } from './terminal.ts';
import { renderTable } from './text-table.ts';
import { wrapText } from './wrap-text.ts';

const heads = ['RELEASE', 'STATE', 'MADE', 'BY', 'FILES', 'SIZE'] as const;

export function registerReleases(app: Command, surroundings: Surroundings): void {
  const { terminal } = surroundings;
  app
    .command('releases')
    .description('show the releases of an app')
    .argument('<tenant/app>', 'the app')
    .addHelpText('after', '\nExample: tenantctl app releases acme/site')
    .action(async (reference: string, _options: object, command: Command) => {
      const { config, json } = command.optsWithGlobals<GlobalOptions>();
      const target = parseAppReference(reference);
      const result = (await callDaemon(surroundings, config, 'app-releases', target)) as ReleasesResult;
      if (json) writeJson(terminal, { ...target, ...result });
      else terminal.writeOut(renderReleases(result.releases, layoutOf(surroundings)));
    });
}

export function renderReleases(releases: readonly ReleaseStatus[], { width, paint, nowMs }: TextLayout): string {
  const rows = releases.map((release) => ({
    cells: cellsOf(release, nowMs),
    details: release.failure === undefined ? [] : wrapText(printable(release.failure), width - 2).map((line) => `  ${line}`),
  }));
  return `${renderTable(heads, rows, { width, paint, indent: '' }).join('\n')}\n`;
}

function cellsOf(release: ReleaseStatus, nowMs: number): string[] {
  const { createdAt, createdBy = '', files, bytes } = release;
  return [
    printable(release.release),
    stateOf(release),
    createdAt === undefined ? '' : formatDistance(Date.parse(createdAt), nowMs),
    printable(createdBy),
    files === undefined ? '' : String(files),
    bytes === undefined ? '' : formatBytes(bytes),
  ];
}

function stateOf({ current, previous, proposal, failure }: ReleaseStatus): string {
  if (current) return 'current';
  if (proposal !== undefined) return `proposed ${proposal}`;
  if (previous) return 'previous';
  return failure === undefined ? '' : 'taken back';
}
