import type { Problem } from '../base/problem.ts';
import { printable } from './printable.ts';
import type { Paint } from './terminal.ts';
import { wrapText } from './wrap-text.ts';

/** `file:line:column  CODE  message` and its fix, as editors and grep like it: never wrapped, never coloured. */
export function renderProblemLine(problem: Problem): string[] {
  const place = placeOf(problem) ?? subjectOf(problem);
  const parts = [...(place === undefined ? [] : [place]), problem.code, problem.message];
  return [parts.map(printable).join('  '), `    fix: ${printable(problem.fix)}`];
}

export interface ProblemLayout {
  width: number;
  paint: Paint;
  indent: string;
}

/** For people: the code and its place, then what is wrong and what to do, wrapped. */
export function renderProblem(problem: Problem, { width, paint, indent }: ProblemLayout): string[] {
  const place = printable(placeOf(problem) ?? subjectOf(problem) ?? '');
  const inner = `${indent}  `;
  const besides = indent.length + problem.code.length + 2 + place.length <= width;
  const code = indent + paint('yellow', problem.code);
  return [
    ...(besides ? [`${code}  ${place}`.trimEnd()] : [code, inner + place]),
    ...wrapText(printable(problem.message), width, inner),
    ...wrapText(`fix: ${printable(problem.fix)}`, width, inner),
  ];
}

function placeOf({ file, line, column }: Problem): string | undefined {
  return file === undefined ? undefined : [file, line, column].filter((part) => part !== undefined).join(':');
}

function subjectOf({ tenant, app }: Problem): string | undefined {
  return app === undefined || tenant === undefined ? tenant : `${tenant}/${app}`;
}
