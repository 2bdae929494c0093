import type { Problem } from '../base/problem.ts';
import { placed } from './placed.ts';

/** As many problems of one file as anyone reads. */
export const maxToldProblems = 20;

/** The first problems, and one that says that there are more. */
export function capProblems(problems: readonly Problem[]): Problem[] {
  const last = problems[maxToldProblems];
  if (!last) return [...problems];
  const { file, tenant, app } = last;
  const more: Problem = { code: 'TENANTD_E_TOO_MANY', message: 'there are more problems like these', fix: 'mend these first' };
  const place = {
    ...(file === undefined ? {} : { file }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(app === undefined ? {} : { app }),
  };
  return [...problems.slice(0, maxToldProblems), placed(more, place)];
}
