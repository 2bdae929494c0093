import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { TenantdError } from '../base/errors.ts';
import { allow, joiningRules, killProcess, resettingRules, type Rule, systemCallRules, unknown } from './seccomp-policy.ts';
import { assemble, type Decision, search } from './seccomp-program.ts';
import { firstUnknownNumber, systemCallNumbers } from './system-call-numbers.ts';

/** <linux/audit.h>, and which column of the numbers is its own. */
const machines: Partial<Record<string, { auditArchitecture: number; column: 0 | 1 }>> = {
  x64: { auditArchitecture: 0xc000_003e, column: 0 },
  arm64: { auditArchitecture: 0xc000_00b7, column: 1 },
};

/** `struct seccomp_data` (seccomp(2)). */
const offsets = { number: 0, architecture: 4 };

/**
 * The program for a machine as Node names it. The numbers of another machine's calls (32-bit x86 or arm) mean something else, so
 * whoever makes one is killed. Those of x32 have bit 30 set, and are unknown as all that are newer than the policy.
 */
export function systemCallFilter(architecture: string, rules: readonly Rule[] = systemCallRules): Buffer {
  const machine = machines[architecture];
  if (!machine)
    throw new TenantdError('TENANTD_E_SANDBOX', `no system call filter for ${architecture}`, 'use a machine with x86_64 or aarch64');
  const { auditArchitecture, column } = machine;
  const decisions = rules.flatMap(({ calls, decision }) =>
    calls.flatMap((name): (readonly [number, Decision])[] => {
      const number = systemCallNumbers[name][column];
      return number === null ? [] : [[number, decision]];
    }),
  );
  const known = search(decisions, allow);
  const byNumber: Decision = {
    load: offsets.number,
    next: { test: 'atLeast', value: firstUnknownNumber, yes: unknown, no: known },
  };
  return assemble({
    load: offsets.architecture,
    next: { test: 'equals', value: auditArchitecture, yes: byNumber, no: killProcess },
  });
}

/** Files with a program as seccomp(2) takes it. */
export interface SystemCallFilters {
  usual: string;
  /** Of those that reset connections. */
  resetting: string;
  /** Of those that join a namespace which they are given. */
  joining: string;
}

/** Writes them into a directory of root's own, for the launcher. */
export function writeSystemCallFilters(directory: string, architecture: string): SystemCallFilters {
  const fileOf = (kind: string): string => `${directory}/system-calls${kind}.bpf`;
  const filters = { usual: fileOf(''), resetting: fileOf('.resetting'), joining: fileOf('.joining') };
  write(filters.usual, systemCallFilter(architecture));
  write(filters.resetting, systemCallFilter(architecture, resettingRules));
  write(filters.joining, systemCallFilter(architecture, joiningRules));
  return filters;
}

function write(file: string, program: Buffer): void {
  rmSync(`${file}.new`, { force: true });
  writeFileSync(`${file}.new`, program, { flag: 'wx', mode: 0o600 });
  renameSync(`${file}.new`, file);
}
