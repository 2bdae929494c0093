/** `tenantctl`: wires the terminal, the arguments and the environment to `runTenantctl`. */
import { errnoOf } from '../base/errors.ts';
import { runTenantctl } from './run.ts';
import { createPaint } from './terminal.ts';

// The reader of a pipe (`head`) has seen enough.
process.stdout.on('error', (error) => process.exit(errnoOf(error) === 'EPIPE' ? 0 : 1));

const { env, stdout, stderr } = process;
const colour = stdout.isTTY && env['NO_COLOR'] === undefined && env['TERM'] !== 'dumb';

process.exitCode = await runTenantctl(process.argv.slice(2), {
  configFile: env['TENANTD_CONFIG'] || '/etc/tenantd/tenantd.yaml',
  isRoot: process.geteuid?.() === 0,
  now: Date.now,
  terminal: {
    // Absent without a terminal, 0 on one that does not know.
    width: stdout.columns || 80,
    paint: createPaint(colour),
    writeOut: (text) => stdout.write(text),
    writeErr: (text) => stderr.write(text),
    onInterrupt(callback) {
      process.once('SIGINT', callback);
      process.once('SIGTERM', callback);
    },
  },
});
