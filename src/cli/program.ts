import { Command } from 'commander';
import { version } from '../base/version.ts';
import { registerApp } from './app-command.ts';
import { registerCert } from './cert-command.ts';
import { registerCheck } from './check-command.ts';
import { registerDoctor } from './doctor-command.ts';
import { registerDomain } from './domain-command.ts';
import { registerExec } from './exec-command.ts';
import { registerGrants } from './grants-command.ts';
import { registerLogs } from './logs-command.ts';
import { registerReload } from './reload-command.ts';
import { registerSchedule } from './schedule-command.ts';
import { registerSchema } from './schema-command.ts';
import { registerSecret } from './secret-command.ts';
import type { SessionStreams } from './session-streams.ts';
import { registerShell } from './shell-command.ts';
import { registerStatus } from './status-command.ts';
import type { Terminal } from './terminal.ts';
import { registerVerify } from './verify-command.ts';

/** What main.ts read from the process. */
export interface Surroundings {
  terminal: Terminal;
  /** The configuration file when `--config` is not given. */
  configFile: string;
  isRoot: boolean;
  /** What looks at the machine for `doctor`; of the build alone. */
  doctorProgram?: string;
  now: () => number;
  /** Opened for shells and commands alone: what it opens is theirs from then on. */
  session: () => SessionStreams;
}

export interface GlobalOptions {
  config: string;
  json?: boolean;
}

export type SetExitCode = (code: number) => void;

export function createProgram(surroundings: Surroundings, setExitCode: SetExitCode): Command {
  const { terminal } = surroundings;
  // The settings come first: commands take a copy of them when they are made.
  const program = new Command('tenantctl')
    .description('Shows and steers the tenants of this machine.')
    .version(version)
    .option('--config <file>', "the daemon's configuration file (TENANTD_CONFIG)", surroundings.configFile)
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      '\n"tenantctl COMMAND --help" has its arguments, and an example.\n\nExit codes: 0 done, 1 failed or denied, 2 wrong usage,\n            3 the daemon can not be reached.',
    )
    .configureHelp({ showGlobalOptions: true, minWidthToWrap: 20, subcommandTerm: (command) => command.name() })
    .configureOutput({
      writeOut: terminal.writeOut,
      writeErr: terminal.writeErr,
      getOutHelpWidth: () => terminal.width,
      getErrHelpWidth: () => terminal.width,
      // Reported by `runTenantctl`, in the form of every other error.
      outputError: () => {},
    })
    .exitOverride();
  registerStatus(program, surroundings);
  registerCheck(program, surroundings, setExitCode);
  registerReload(program, surroundings);
  registerLogs(program, surroundings);
  registerGrants(program, surroundings);
  registerApp(program, surroundings);
  registerDomain(program, surroundings, setExitCode);
  registerCert(program, surroundings);
  registerSecret(program, surroundings);
  registerSchedule(program, surroundings, setExitCode);
  registerDoctor(program, surroundings, setExitCode);
  registerVerify(program, surroundings, setExitCode);
  registerShell(program, surroundings, setExitCode);
  registerExec(program, surroundings, setExitCode);
  registerSchema(program, surroundings);
  return program;
}
