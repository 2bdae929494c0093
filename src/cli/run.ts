import { CommanderError } from 'commander';
import { TenantdError } from '../base/errors.ts';
import { exitCodeOf, reportError, toTenantdError } from './error-report.ts';
import { createProgram, type Surroundings } from './program.ts';

/** One call of `tenantctl`; answers its exit code. */
export async function runTenantctl(args: readonly string[], surroundings: Surroundings): Promise<number> {
  let exitCode = 0;
  const program = createProgram(surroundings, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    const known = error instanceof CommanderError ? usageError(error) : toTenantdError(error);
    reportError(surroundings.terminal, known, asksForJson(args));
    return exitCodeOf(known);
  }
}

/** Wrong usage may have stopped the parser before it came to `--json`. */
function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return args.slice(0, end === -1 ? args.length : end).includes('--json');
}

function usageError(error: CommanderError): TenantdError {
  const message = error.code === 'commander.help' ? 'no command given' : error.message.replace(/^error: /, '').replaceAll('\n', ' ');
  return new TenantdError('TENANTD_E_USAGE', message, 'tenantctl --help lists the commands, tenantctl COMMAND --help its arguments');
}
