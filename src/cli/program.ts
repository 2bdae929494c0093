import { Command } from 'commander';
import { version } from '../base/version.ts';
import { registerApp } from './app-command.ts';
import { registerAudit } from './audit-command.ts';
import { registerApprove, registerDeny } from './approve-command.ts';
import { registerCert } from './cert-command.ts';
import { registerCheck } from './check-command.ts';
import { registerDiff } from './diff-command.ts';
import { registerDoctor } from './doctor-command.ts';
import { registerDomain } from './domain-command.ts';
import { registerExec } from './exec-command.ts';
import { registerFaults } from './faults-command.ts';
import { registerGrants } from './grants-command.ts';
import { registerLogs } from './logs-command.ts';
import { registerPlan } from './plan-command.ts';
import { registerMetrics } from './metrics-command.ts';
import { registerProposal } from './proposal-command.ts';
import { registerReload } from './reload-command.ts';
import { registerSchedule } from './schedule-command.ts';
import { registerSchema } from './schema-command.ts';
import { registerSecret } from './secret-command.ts';
import type { SessionStreams } from './session-streams.ts';
import { registerShell } from './shell-command.ts';
import { registerSsh } from './ssh-command.ts';
import { assertAllowedBySsh } from './ssh-rules.ts';
import { registerStatus } from './status-command.ts';
import { registerTemplate } from './template-command.ts';
import { registerTenant } from './tenant-command.ts';
import type { Terminal } from './terminal.ts';
import { registerToken } from './token-command.ts';
import { findToken } from './token-source.ts';
import { registerUsage } from './usage-command.ts';
import { registerVerify } from './verify-command.ts';

/** What main.ts read from the process. */
export interface Surroundings {
  terminal: Terminal;
  /** The configuration file when `--config` is not given. */
  configFile: string;
  isRoot: boolean;
  /** Of TENANTD_TOKEN. */
  token?: string | undefined;
  /** Reads the token that was given, when the daemon is asked; by default made here, of the options. */
  findToken?: () => Promise<string | undefined>;
  /** SSH_ORIGINAL_COMMAND. */
  sshCommand?: string | undefined;
  /** What is asked for comes from there: it may do less. */
  isOverSsh?: boolean;
  /** `runTenantctl`, for a command that has another in it. */
  runAgain?: (args: readonly string[], surroundings: Surroundings) => Promise<number>;
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

export function createProgram(given: Surroundings, setExitCode: SetExitCode): Command {
  const { terminal } = given;
  // The settings come first: commands take a copy of them when they are made.
  const program = new Command('tenantctl')
    .description('Shows and steers the tenants of this machine.')
    .version(version)
    .option('--config <file>', "the daemon's configuration file (TENANTD_CONFIG)", given.configFile)
    .option('--token-file <file>', 'who asks, instead of root: a file with a token (TENANTD_TOKEN has it itself)')
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
  const surroundings: Surroundings = {
    ...given,
    findToken: given.findToken ?? (() => findToken({ variable: given.token, file: program.opts<{ tokenFile?: string }>().tokenFile })),
  };
  if (given.isOverSsh) program.hook('preAction', (_, command) => assertAllowedBySsh(command));
  program.commandsGroup('What is:');
  registerStatus(program, surroundings);
  registerDiff(program, surroundings);
  registerLogs(program, surroundings);
  registerFaults(program, surroundings);
  registerUsage(program, surroundings);
  registerMetrics(program, surroundings);
  registerAudit(program, surroundings, setExitCode);
  registerVerify(program, surroundings, setExitCode);
  program.commandsGroup('Tenants:');
  registerTenant(program, surroundings, setExitCode);
  registerTemplate(program, surroundings, setExitCode);
  registerPlan(program, surroundings);
  registerGrants(program, surroundings);
  registerDomain(program, surroundings, setExitCode);
  registerCert(program, surroundings);
  program.commandsGroup('Apps:');
  registerApp(program, surroundings);
  registerSchedule(program, surroundings, setExitCode);
  registerSecret(program, surroundings);
  registerShell(program, surroundings, setExitCode);
  registerExec(program, surroundings, setExitCode);
  program.commandsGroup('Who may do what:');
  registerToken(program, surroundings);
  registerProposal(program, surroundings);
  registerApprove(program, surroundings);
  registerDeny(program, surroundings);
  registerSsh(program, surroundings, setExitCode);
  program.commandsGroup('The machine:');
  registerCheck(program, surroundings, setExitCode);
  registerDoctor(program, surroundings, setExitCode);
  registerReload(program, surroundings);
  registerSchema(program, surroundings);
  program.helpCommand('help [command]', 'show this, or the help of a command');
  return program;
}
