import { allow } from '../../src/privileged/seccomp-policy.ts';
import { assemble, type Decision, search } from '../../src/privileged/seccomp-program.ts';

const calls = process.arch === 'x64' ? { prctl: 157, seccomp: 317 } : { prctl: 167, seccomp: 277 };
const setFilterMode = 1;
const invalid: Decision = { answer: 0x0005_0000 | 22 };
/** prctl(PR_SET_SECCOMP), of all that prctl(2) does. */
const judgePrctl: Decision = { load: 16, next: { test: 'equals', value: 22, yes: invalid, no: allow } };

const load = `my $filter = pack 'H*', shift;
my $program = pack 'S x6 P', length($filter) / 8, $filter;
syscall(${calls.seccomp}, ${setFilterMode}, 0, $program) == 0 or die "seccomp: $!\\n";
exec { $ARGV[0] } @ARGV`;

/** A machine whose kernel takes no filter of system calls, made of this one: by a filter under which nobody can set another. */
export function withoutFilters(): { wrapper: string[] } {
  const judgements = [[calls.prctl, judgePrctl] as const, [calls.seccomp, invalid] as const];
  const filter = assemble({ load: 0, next: search(judgements, allow) });
  return { wrapper: ['perl', '-e', load, filter.toString('hex')] };
}
