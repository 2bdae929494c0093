import { Command } from 'commander';
import { version } from '../base/version.ts';
import { registerApp } from './app-command.ts';
import { registerCert } from './cert-command.ts';
import { registerCheck } from './check-command.ts';
import { registerDomain } from './domain-command.ts';
import { registerLogs } from './logs-command.ts';
import { registerReload } from './reload-command.ts';
import { registerSchema } from './schema-command.ts';
import { registerStatus } from './status-command.ts';
import type { Terminal } from './terminal.ts';

/** What main.ts read from the process. */
export interface Surroundings {
  terminal: Terminal;
  /** The configuration file when `--config` is not given. */
  configFile: string;
  isRoot: boolean;
  now: () => number;
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
    .addHelpText('after', '\nExit codes: 0 done, 1 failed or denied, 2 wrong usage,\n            3 the daemon can not be reached.')
    .configureHelp({ showGlobalOptions: true })
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
  registerApp(program, surroundings);
  registerDomain(program, surroundings, setExitCode);
  registerCert(program, surroundings);
  registerSchema(program, surroundings);
  return program;
}
