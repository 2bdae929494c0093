import type { DiffChange, DiffResult } from '../protocol/template-calls.ts';
import { printable } from './printable.ts';
import type { TextLayout } from './terminal.ts';
import { wrapText } from './wrap-text.ts';

/** By tenant and app, a "-" and a "+" line for each key; why, once for those beside each other that share it. */
export function renderDiff({ changes }: DiffResult, layout: TextLayout): string {
  if (changes.length === 0) return 'Everything is as the files say.\n';
  const byPlace = Map.groupBy(changes, placeOf);
  return `${[...byPlace].map(([place, some]) => [layout.paint('bold', place), ...renderPlace(some, layout)].join('\n')).join('\n\n')}\n`;
}

function placeOf({ tenant, app }: DiffChange): string {
  if (tenant === '') return 'tenantd';
  return app === undefined ? tenant : `${tenant}/${app}`;
}

function renderPlace(changes: readonly DiffChange[], { width, paint }: TextLayout): string[] {
  return changes.flatMap(({ what, from, to, why }, index) => [
    ...(from === null ? [] : [paint('red', `  - ${printable(what)}: ${printable(from)}`)]),
    ...(to === null ? [] : [paint('green', `  + ${printable(what)}: ${printable(to)}`)]),
    ...(changes[index + 1]?.why === why ? [] : wrapText(printable(why), width, '      ').map((line) => paint('dim', line))),
  ]);
}
