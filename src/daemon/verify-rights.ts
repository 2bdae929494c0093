import { commandNameOf, hardLimitsOf, type ProcessFacts } from '../privileged/facts-process.ts';
import { compare, judgeAll, type Finding, type Layer, listOr } from './verify-finding.ts';

export interface RightsExpected {
  uid: number;
  gid: number;
  withFilter: boolean;
  /** As in its promise. */
  owners?: readonly number[] | undefined;
}

interface Right {
  layer: Layer;
  id: string;
  field: string;
  expected: (promised: RightsExpected) => string;
  actual: (found: ProcessFacts) => string;
}

/** CAP_CHOWN, CAP_DAC_OVERRIDE and CAP_FOWNER: in a namespace of users, over the files of these alone. */
const overFiles = ['CapPrm', 'CapEff', 'CapBnd'].map((name) => `${name} 000000000000000b`).join(', ');
const sorted = (ids: readonly number[]): string[] => ids.toSorted((a, b) => a - b).map(String);
const fourTimes = (id: number): string => Array.from({ length: 4 }, () => id).join(' ');

const rights: readonly Right[] = [
  { layer: 'user', id: 'uid', field: 'Uid', expected: ({ uid }) => fourTimes(uid), actual: ({ uids }) => uids.join(' ') },
  { layer: 'user', id: 'gid', field: 'Gid', expected: ({ gid }) => fourTimes(gid), actual: ({ gids }) => gids.join(' ') },
  {
    layer: 'user',
    id: 'groups',
    field: 'Groups',
    expected: ({ owners = [] }) => listOr(sorted(owners), 'none'),
    actual: ({ groups }) => listOr(sorted(groups), 'none'),
  },
  { layer: 'user', id: 'capabilities', field: 'Cap*', expected: ({ owners }) => (owners ? overFiles : 'none'), actual: capabilitiesOf },
  { layer: 'user', id: 'no-new-privileges', field: 'NoNewPrivs', expected: () => '1', actual: (found) => String(found.noNewPrivileges) },
];
const filter: Right = { layer: 'syscalls', id: 'filter', field: 'Seccomp', expected: () => 'filtered', actual: filterOf };

/** Rights of every process in a sandbox, and of its pid 1: that is root's, and has no right left. */
export function checkRights(promised: RightsExpected, reaper: ProcessFacts, processes: readonly ProcessFacts[]): Finding[] {
  const looked = [...rights, ...(promised.withFilter ? [filter] : [])];
  return [
    ...looked.flatMap(({ layer, id, field, expected, actual }) =>
      judgeAll(layer, id, processes, {
        expected: expected(promised),
        actual,
        name: nameOf,
        source: ({ pid }) => `/proc/${pid}/status ${field}`,
      }),
    ),
    checkReaper(reaper, promised.withFilter),
    ...checkLimits(processes),
  ];
}

function checkReaper(reaper: ProcessFacts, withFilter: boolean): Finding {
  const effective = ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'].filter((name) => isSet(reaper.capabilities.get(name)));
  const describe = (capabilities: string, noNewPrivileges: number, filtered: string): string =>
    `pid 1, capabilities ${capabilities}, no new privileges ${noNewPrivileges}${withFilter ? `, ${filtered}` : ''}`;
  const actual = describe(listOr(effective, 'none'), reaper.noNewPrivileges, filterOf(reaper)).replace(
    'pid 1',
    `pid ${reaper.namespacePids.at(-1) ?? '?'}`,
  );
  return compare('processes', 'reaper', describe('none', 1, 'filtered'), actual, `/proc/${reaper.pid}/status`);
}

function capabilitiesOf({ capabilities }: ProcessFacts): string {
  const sets = [...capabilities].filter(([, mask]) => isSet(mask)).map(([name, mask]) => `${name} ${mask}`);
  return listOr(sets, 'none');
}

/** What can not be read is not taken for none. */
function isSet(mask: string | undefined): boolean {
  return !/^0+$/.test(mask ?? '');
}

function filterOf({ seccompMode, seccompFilters }: ProcessFacts): string {
  return seccompMode === 2 && seccompFilters >= 1 ? 'filtered' : `mode ${seccompMode}, ${seccompFilters} filters`;
}

/** Hard limits as the launcher sets them; a process may lower its own. */
const atMost: ReadonlyMap<string, number> = new Map([
  ['Max msgqueue size', 0],
  ['Max locked memory', 65_536],
  ['Max open files', 65_536],
]);

function checkLimits(processes: readonly ProcessFacts[]): Finding[] {
  const limits = processes.map(({ pid }) => ({ pid, hard: hardLimitsOf(pid) })).filter(({ hard }) => hard.size > 0);
  const look = { name: nameOf, source: ({ pid }: { pid: number }) => `/proc/${pid}/limits` };
  const show = (hard: ReadonlyMap<string, number>, names: readonly string[]): string =>
    names.map((name) => `${name} ${hard.get(name) ?? 'unknown'}`).join(', ');
  return [
    ...judgeAll('resources', 'process-limits', limits, {
      expected: `at most ${show(atMost, [...atMost.keys()])}`,
      actual: ({ hard }) => show(hard, [...atMost.keys()]),
      isOk: ({ hard }) => [...atMost].every(([name, most]) => (hard.get(name) ?? Infinity) <= most),
      ...look,
    }),
    ...judgeAll('secrets', 'core-dumps', limits, {
      expected: 'Max core file size 0',
      actual: ({ hard }) => show(hard, ['Max core file size']),
      ...look,
    }),
  ];
}

export function nameOf({ pid }: { pid: number }): string {
  return `pid ${pid}, ${commandNameOf(pid)}`;
}
