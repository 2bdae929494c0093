/** A shell, or one command, in a sandbox of a tenant's: started for one session, ends with it. */
import net from 'node:net';
import { messageOf } from '../base/errors.ts';
import { programFrames, terminalHandOverFd, type TerminalSettings, terminalSocketFd, writeBytes } from '../protocol/terminal.ts';
import { secretsDir } from '../protocol/worker.ts';
import { cannotStart, type Program } from './program.ts';
import { takeSecrets } from './secrets.ts';
import { runSession } from './session.ts';
import { commandOf, enter, ensureHome, environmentOf } from './surroundings.ts';

const settings = JSON.parse(process.argv[2] ?? 'null') as TerminalSettings;
const connection = new net.Socket({ fd: terminalSocketFd, readable: true, writable: true });
ensureHome(process.env['HOME']);
enter(settings.directory);
process.exit(await run());

async function run(): Promise<number> {
  try {
    if (settings.withSecrets) takeSecrets(terminalHandOverFd, secretsDir);
    const session = runSession(await startProgram(), connection);
    // The daemon ends a session by it.
    process.on('SIGTERM', session.hangUp);
    const { code, signal } = await session.ended;
    return signal === 0 ? code : 128 + signal;
  } catch (error) {
    // The tenant has no process, or no memory, left to have.
    await writeBytes(connection, programFrames.stderr, Buffer.from(`the program could not be started: ${messageOf(error)}\n`));
    return cannotStart;
  }
}

/** The code for terminals is loaded where there is one. */
async function startProgram(): Promise<Program> {
  const options = {
    command: commandOf(settings),
    env: environmentOf(settings, process.env as Record<string, string>),
    cwd: process.cwd(),
  };
  if (settings.tty) return (await import('./terminal-program.ts')).startTerminalProgram(options, settings.tty);
  return (await import('./piped-program.ts')).startPipedProgram(options);
}
