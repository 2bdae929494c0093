import { constants } from 'node:os';
import type { Command } from 'commander';
import { TenantdError } from '../base/errors.ts';
import { runSession, type SessionOrder } from './open-session.ts';
import type { GlobalOptions, SetExitCode, Surroundings } from './program.ts';
import { createCapture, sinkTo } from './session-sinks.ts';
import { writeJson } from './terminal.ts';

interface ExecOptions extends GlobalOptions {
  /** Undefined: where there is one. */
  tty?: boolean;
  secrets?: boolean;
}

type OpenOrder = Omit<SessionOrder, 'output' | 'errors'>;

const maxCapturedBytes = 4 << 20;

const help = `
Runs where "tenantctl shell" does. With a terminal on stdin and stdout the
command gets one too; otherwise its stdin, stdout and stderr are passed on
byte by byte, apart. Ctrl-C, or the end of tenantctl, ends the command and
all that it started.

The exit code is the command's (128 + number for a signal); 1 to 3 with a
TENANTD_E_ code on stderr are tenantctl's own. With --json: {"exitCode",
"signal","stdout","stderr","truncated"}, of each stream the first 4 MiB.

Example: tenantctl exec acme/site -- ls -l /data`;

export function registerExec(program: Command, surroundings: Surroundings, setExitCode: SetExitCode): void {
  program
    .command('exec')
    .description("run one command in a tenant's own sandbox")
    .argument('<tenant[/app]>', 'a tenant, or one of its apps')
    .argument('<command...>', 'after "--": a program and its arguments')
    .usage('[options] <tenant[/app]> -- <command...>')
    .option('--secrets', "with the app's secrets as files in /run/secrets")
    .option('--tty', 'give the command a terminal, always')
    .option('--no-tty', 'give it none')
    .addHelpText('after', help)
    .action(async (reference: string, words: string[], _options: object, command: Command) => {
      const { config, json, secrets = false, tty: wantsTty } = command.optsWithGlobals<ExecOptions>();
      if (json && wantsTty) throw new TenantdError('TENANTD_E_USAGE', '--json and --tty exclude each other', 'leave one out');
      const streams = surroundings.session();
      const tty = wantsTty ?? (streams.isTerminal && !json);
      const order: OpenOrder = { config, reference, command: words, tty, secrets, streams };
      setExitCode(await (json ? runForJson(surroundings, order) : run(surroundings, order)));
    });
}

async function run(surroundings: Surroundings, order: OpenOrder): Promise<number> {
  const { output, errors } = order.streams;
  return (await runSession(surroundings, { ...order, output: sinkTo(output), errors: sinkTo(errors) })).exitCode;
}

async function runForJson(surroundings: Surroundings, order: OpenOrder): Promise<number> {
  const [output, errors] = [createCapture(maxCapturedBytes), createCapture(maxCapturedBytes)];
  const { exitCode, signal } = await runSession(surroundings, { ...order, output: output.sink, errors: errors.sink });
  const truncated = output.isCut() || errors.isCut();
  writeJson(surroundings.terminal, {
    exitCode,
    ...(signal !== undefined && { signal: nameOf(signal) }),
    ...{ stdout: output.text(), stderr: errors.text() },
    ...(truncated && { truncated }),
  });
  return exitCode;
}

function nameOf(signal: number): string {
  return Object.entries(constants.signals).find(([, number]) => number === signal)?.[0] ?? `SIG${signal}`;
}
