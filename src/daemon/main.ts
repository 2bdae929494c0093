// The daemon's process: reads argv and environment, handles signals, exits. Everything else is in daemon.ts.
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { messageOf, TenantdError } from '../base/errors.ts';
import { version } from '../base/version.ts';
import { closeInheritedDescriptors } from '../privileged/descriptors.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { createLog } from './log.ts';

const usage = `tenantd: runs many customers' web apps on one machine, each in a sandbox of its own

  tenantd --config FILE [--log text|json]

  --config FILE    tenantd.yaml (default: TENANTD_CONFIG, else /etc/tenantd/tenantd.yaml)
  --log text|json  how the log on stdout is written (default: json)
  --version        print the version
`;

const args = readArguments();
closeInheritedDescriptors();
process.umask(0o022);
const log = createLog(args.log);

if (process.getuid?.() !== 0) fail(new TenantdError('TENANTD_E_NOT_ROOT', 'tenantd needs root', 'start it with sudo'));

// From here on: one that is asked to end while it starts ends what it started. A second time ends it at once.
const started = Promise.withResolvers<Daemon>();
process.on('SIGHUP', () => void started.promise.then((daemon) => daemon.reload()));
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void shutDown(signal));

try {
  const daemon = await startDaemon({
    configFile: resolve(args.config),
    nodeBinary: process.execPath,
    libDir: dirname(fileURLToPath(import.meta.url)),
    cgroupBase: process.env['TENANTD_CGROUP'],
    credentialsDir: process.env['CREDENTIALS_DIRECTORY'],
    log,
  });
  started.resolve(daemon);
} catch (error) {
  fail(error);
}

async function shutDown(signal: string): Promise<void> {
  log.info({ signal }, 'stopping everything');
  try {
    await (await started.promise).stop();
    log.info({}, 'everything is stopped');
    process.exit(0);
  } catch (error) {
    fail(error);
  }
}

function readArguments(): { config: string; log: 'text' | 'json' } {
  const { values } = parseOptions();
  if (values.version === true) exitWith(`${version}\n`);
  if (values.help === true) exitWith(usage);
  const format = values.log ?? 'json';
  if (format !== 'text' && format !== 'json') return refuse(`--log is text or json, not ${format}`);
  return { config: values.config ?? process.env['TENANTD_CONFIG'] ?? '/etc/tenantd/tenantd.yaml', log: format };
}

function parseOptions() {
  try {
    return parseArgs({
      options: { config: { type: 'string' }, log: { type: 'string' }, version: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    });
  } catch (error) {
    return refuse(messageOf(error));
  }
}

function exitWith(text: string): never {
  process.stdout.write(text);
  process.exit(0);
}

function refuse(reason: string): never {
  process.stderr.write(`tenantd: ${reason}\n\n${usage}`);
  process.exit(2);
}

function fail(error: unknown): never {
  if (error instanceof TenantdError) process.stderr.write(`tenantd: ${error.code}: ${error.message}\n  fix: ${error.fix}\n`);
  else process.stderr.write(`tenantd: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
}
