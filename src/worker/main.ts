import { mkdirSync } from 'node:fs';
import { secretsDir, workerHandOverFd, workerListenerFd, workerReportFd, type WorkerSettings } from '../protocol/worker.ts';
import { finishRequests } from './finish-requests.ts';
import { startHeartbeat } from './heartbeat.ts';
import { keepCompiled } from './keep-compiled.ts';
import { landFirstListen } from './land-listen.ts';
import { createReporter } from './report.ts';
import { runNodeApp } from './run-node.ts';
import { takeSecrets } from './take-secrets.ts';

const settings = JSON.parse(process.argv[2] ?? '') as WorkerSettings;
const report = createReporter(workerReportFd);
const port = Number(process.env['PORT'] ?? 0);

takeSecrets({ fd: workerHandOverFd, directory: secretsDir, ...(settings.kind === 'node' && { setVariable }) });
makeHome(process.env['HOME']);
// Not awaited: as a CommonJS module it is loaded in half the time (scripts/build.ts).
void (settings.kind === 'node' ? startNode(settings.entry, settings.reportLoad === true) : startCommand(settings.command));

async function startNode(entry: string, reportLoad: boolean): Promise<void> {
  startHeartbeat({ fd: workerReportFd, withLoad: reportLoad });
  const tidyLater = keepCompiled(process.env['HOME'] ?? '', process.env['TENANTD_RELEASE'] ?? '');
  const landing = landFirstListen({
    fd: workerListenerFd,
    defaultPort: port,
    onListening() {
      report({ event: 'listening' });
      tidyLater();
    },
    onNote: (message) => report({ event: 'note', message }),
    onClosed: () => report({ event: 'deaf', message: 'closed the server that it listened with, and runs on' }),
  });
  const pending = new Set<Promise<unknown>>();
  onSigtermWithoutListener(async () => {
    await finishRequests(landing.server());
    await Promise.allSettled(pending);
    process.exit();
  });
  await runNodeApp(entry, landing, pending);
}

/** Once the app listens for SIGTERM itself, it alone decides; the shim's listener is gone then, also for those who count. */
function onSigtermWithoutListener(end: () => Promise<void>): void {
  const onSigterm = (): void => void end();
  process.on('SIGTERM', onSigterm);
  process.on('newListener', (event, listener) => {
    // Later, for the new one is not there yet, and Node stops to catch a signal that has no listener.
    if (event === 'SIGTERM' && listener !== onSigterm) process.nextTick(() => process.off('SIGTERM', onSigterm));
  });
  process.on('removeListener', (event) => {
    if (event === 'SIGTERM' && process.listenerCount('SIGTERM') === 0) process.on('SIGTERM', onSigterm);
  });
}

async function startCommand(command: readonly string[]): Promise<void> {
  const { runCommand } = await import('./run-command.ts');
  const app = runCommand({ command, fd: workerListenerFd, port, uid: process.getuid?.() ?? -1, report });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const) process.on(signal, app.signal);
  process.exit(await app.exited);
}

function setVariable(name: string, value: string): void {
  process.env[name] = value;
}

function makeHome(home: string | undefined): void {
  try {
    if (home) mkdirSync(home, { recursive: true, mode: 0o700 });
  } catch {
    // A full or missing /data is for the app to meet when it writes there; most never do.
  }
}
