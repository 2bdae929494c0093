import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { TenantdError } from '../base/errors.ts';
import { allow, killProcess, systemCallRules, unknown } from './seccomp-policy.ts';
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
export function systemCallFilter(architecture: string): Buffer {
  const machine = machines[architecture];
  if (!machine)
    throw new TenantdError('TENANTD_E_SANDBOX', `no system call filter for ${architecture}`, 'use a machine with x86_64 or aarch64');
  const { auditArchitecture, column } = machine;
  const decisions = systemCallRules.flatMap(({ calls, decision }) =>
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

/** Writes it into a directory of root's own, for the launcher, and answers where. */
export function writeSystemCallFilter(directory: string, architecture: string): string {
  const file = `${directory}/system-calls.bpf`;
  rmSync(`${file}.new`, { force: true });
  writeFileSync(`${file}.new`, systemCallFilter(architecture), { flag: 'wx', mode: 0o600 });
  renameSync(`${file}.new`, file);
  return file;
}
