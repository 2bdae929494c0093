// The daemon's process: reads argv and environment, handles signals, exits. Everything else is in daemon.ts.
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { messageOf, TenantdError } from '../base/errors.ts';
import { version } from '../base/version.ts';
import { closeInheritedDescriptors } from '../privileged/descriptors.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { createLog, isJournal, type LogFormat, logFormats } from './log.ts';
import { openServiceManager, takeServiceSockets } from './notify.ts';

const usage = `tenantd: runs many customers' web apps on one machine, each in a sandbox of its own

  tenantd --config FILE [--log text|json|journal] [--keep-tenants]

  --config FILE    tenantd.yaml (default: TENANTD_CONFIG, else /etc/tenantd/tenantd.yaml)
  --log FORMAT     how the log on stdout is written: text, json or journal (default: journal
                   where stdout goes to the system's, else json)
  --keep-tenants   SIGTERM ends the daemon alone: what it runs goes on, and the next daemon
                   takes it up; SIGINT ends everything, as SIGTERM does without this option
  --version        print the version
`;

const args = readArguments();
process.umask(0o022);
const log = createLog(args.log);
if (process.getuid?.() !== 0) fail(new TenantdError('TENANTD_E_NOT_ROOT', 'tenantd needs root', 'start it with sudo'));

const kept = await takeServiceSockets(process.env, log);
closeInheritedDescriptors();
const manager = openServiceManager(process.env, kept, log);

// From here on: one that is asked to end while it starts ends what it started. A second time ends it at once.
const started = Promise.withResolvers<Daemon>();
const asked = Promise.withResolvers<string>();
void asked.promise.then(shutDown);
process.on('SIGHUP', () => void started.promise.then((daemon) => daemon.reload()));
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => asked.resolve(signal));

try {
  const daemon = await startDaemon({
    configFile: resolve(args.config),
    nodeBinary: process.execPath,
    libDir: dirname(fileURLToPath(import.meta.url)),
    cgroupBase: process.env['TENANTD_CGROUP'],
    credentialsDir: process.env['CREDENTIALS_DIRECTORY'],
    manager,
    log,
  });
  started.resolve(daemon);
} catch (error) {
  fail(error);
}

async function shutDown(signal: string): Promise<void> {
  const fate = signal === 'SIGTERM' && args.keepTenants ? 'keep' : 'end';
  const [begun, done] = fate === 'end' ? ['stopping everything', 'everything is stopped'] : ['leaving what runs', 'what runs goes on'];
  log.info({ signal }, begun);
  manager.stopping(begun);
  try {
    await (await started.promise).stop(fate);
    log.info({}, done);
    await manager.close();
    process.exit(0);
  } catch (error) {
    fail(error);
  }
}

function readArguments(): { config: string; log: LogFormat; keepTenants: boolean } {
  const { values } = parseOptions();
  if (values.version === true) exitWith(`${version}\n`);
  if (values.help === true) exitWith(usage);
  const asked = values.log ?? (isJournal(process.env['JOURNAL_STREAM']) ? 'journal' : 'json');
  const format = logFormats.find((known) => known === asked);
  if (!format) return refuse(`--log is text, json or journal, not ${asked}`);
  const config = values.config ?? process.env['TENANTD_CONFIG'] ?? '/etc/tenantd/tenantd.yaml';
  return { config, log: format, keepTenants: values['keep-tenants'] ?? false };
}

function parseOptions() {
  try {
    return parseArgs({
      options: {
        config: { type: 'string' },
        log: { type: 'string' },
        'keep-tenants': { type: 'boolean' },
        version: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
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
