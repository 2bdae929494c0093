/** `tenantctl`: wires the terminal, the arguments and the environment to `runTenantctl`. */
import { fileURLToPath } from 'node:url';
import { errnoOf } from '../base/errors.ts';
import { sessionSignals, type SessionSignal } from '../protocol/terminal.ts';
import { runTenantctl } from './run.ts';
import { usualConfigFile } from './run-dir.ts';
import { openSessionStreams } from './session-streams.ts';
import { createPaint } from './terminal.ts';

// The reader of a pipe (`head`) has seen enough.
process.stdout.on('error', (error) => process.exit(errnoOf(error) === 'EPIPE' ? 0 : 1));

const { env, stdout, stderr } = process;
const colour = stdout.isTTY && env['NO_COLOR'] === undefined && env['TERM'] !== 'dumb';

process.exitCode = await runTenantctl(process.argv.slice(2), {
  configFile: env['TENANTD_CONFIG'] || usualConfigFile,
  token: env['TENANTD_TOKEN'],
  sshCommand: env['SSH_ORIGINAL_COMMAND'],
  isRoot: process.geteuid?.() === 0,
  doctorProgram: fileURLToPath(new URL('./doctor.js', import.meta.url)),
  now: Date.now,
  session() {
    // A command has its own end when nobody reads what it says.
    stdout.removeAllListeners('error');
    return openSessionStreams({
      term: env['TERM'],
      onSignal(callback) {
        for (const signal of Object.keys(sessionSignals) as SessionSignal[]) process.on(signal, () => callback(signal));
      },
      die(signal) {
        process.removeAllListeners(signal);
        process.kill(process.pid, signal);
      },
    });
  },
  terminal: {
    // Absent without a terminal, 0 on one that does not know.
    width: stdout.columns || 80,
    errorWidth: stderr.columns || Infinity,
    paint: createPaint(colour),
    writeOut: (text) => stdout.write(text),
    writeErr: (text) => stderr.write(text),
    onInterrupt(callback) {
      process.once('SIGINT', callback);
      process.once('SIGTERM', callback);
    },
  },
});
