import { type Command, CommanderError } from 'commander';
import { TenantdError } from '../base/errors.ts';
import { exitCodeOf, reportError, reportProposed, toTenantdError } from './error-report.ts';
import { createProgram, type Surroundings } from './program.ts';

/** One call of `tenantctl`; answers its exit code. */
export async function runTenantctl(args: readonly string[], surroundings: Surroundings): Promise<number> {
  let exitCode = 0;
  const program = createProgram({ ...surroundings, runAgain: runTenantctl }, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    const known = error instanceof CommanderError ? usageError(error, commandIn(program, args)) : toTenantdError(error);
    if (known.code === 'TENANTD_E_PROPOSED') return reportProposed(surroundings.terminal, known, asksForJson(args));
    reportError(surroundings.terminal, known, asksForJson(args));
    return exitCodeOf(known);
  }
}

/** Wrong usage may have stopped the parser before it came to `--json`. */
function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return args.slice(0, end === -1 ? args.length : end).includes('--json');
}

/** The innermost one that is named. */
function commandIn(program: Command, args: readonly string[]): Command {
  return args.reduce((command, word) => command.commands.find((below) => below.name() === word) ?? command, program);
}

function usageError(error: CommanderError, command: Command): TenantdError {
  const message = error.code === 'commander.help' ? 'no command given' : error.message.replace(/^error: /, '').replaceAll('\n', ' ');
  const names = command.parent ? [...(command.parent.parent ? [command.parent.name()] : []), command.name()] : [];
  return new TenantdError('TENANTD_E_USAGE', message, `see ${['tenantctl', ...names].join(' ')} --help`);
}
