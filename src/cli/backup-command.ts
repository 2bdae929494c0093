import type { Command } from 'commander';
import type { BackupResult } from '../protocol/backup-calls.ts';
import { backupFrames } from '../protocol/backup-calls.ts';
import { encodeFrame } from './backup-frames.ts';
import { ContainerWriter } from './backup-container.ts';
import { openSink } from './backup-file.ts';
import { makeHeader } from './backup-keys.ts';
import { newPassphrase, type PassphraseOptions } from './backup-passphrase.ts';
import { hearDaemon } from './backup-stream.ts';
import { describeLeftOut } from './backup-text.ts';
import { connectDaemon } from './control-client.ts';
import { printable } from './printable.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { withProgress } from './progress.ts';
import { formatBytes, formatCount } from './quantities.ts';

const help = `
One file has it all: tenant.yaml and what it names in its folder, apps with
their releases, all data, secrets, schedules. Not in it: logs, usage, and
certificates that tenantd gets by itself. Apps go on meanwhile: of their data
a snapshot of one moment is taken.

With a passphrase all of it is encrypted; it is needed where there are secrets.
On a terminal it is asked for. FILE is not written over, and "-" is standard
output.

Example: tenantctl tenant backup acme acme.backup --passphrase-file key.txt`;

const openTimeoutMs = 60_000;

interface BackupOptions extends GlobalOptions, PassphraseOptions {
  force?: boolean;
}

interface Written extends BackupResult {
  file: string;
  fileBytes: number;
  encrypted: boolean;
  seconds: number;
}

export function registerBackup(tenant: Command, surroundings: Surroundings): void {
  tenant
    .command('backup')
    .description('write a tenant into one file')
    .argument('<name>', 'the tenant')
    .argument('<file>', 'a file that is not there yet, or "-"')
    .option('--passphrase-file <file>', 'has the passphrase, in its first line')
    .option('--no-passphrase', 'do not ask for one')
    .option('--force', 'write over the file')
    .addHelpText('after', help)
    .action(async (name: string, file: string, _options: object, command: Command) => {
      const options = command.optsWithGlobals<BackupOptions>();
      const written = await backup(surroundings, name, file, options);
      const text = options.json ? `${JSON.stringify(written, null, 2)}\n` : renderWritten(written);
      const { writeOut, writeErr } = surroundings.terminal;
      (file === '-' ? writeErr : writeOut)(text);
    });
}

async function backup(surroundings: Surroundings, tenant: string, file: string, options: BackupOptions): Promise<Written> {
  const { terminal, now } = surroundings;
  const passphrase = await newPassphrase(options, terminal);
  const startedAtMs = now();
  const { text, keys } = makeHeader(tenant, passphrase, startedAtMs);
  const sink = await openSink(file, options.force ?? false);
  try {
    const channel = await connectDaemon(surroundings, options.config, {});
    try {
      const params = { tenant, ...(keys.secrets && { secretsKey: keys.secrets.toString('base64') }) };
      const { stream } = await channel.upgrade('tenant-backup', params, openTimeoutMs);
      const container = new ContainerWriter(keys, sink.write);
      let [doing, bytes] = ['', 0];
      await sink.write(Buffer.from(text));
      const result = await withProgress(
        terminal,
        () => `${doing}, ${formatBytes(bytes)} so far`,
        () =>
          hearDaemon(stream, {
            onStep: (step) => (doing = step.doing),
            async onFrame(type, payload) {
              if (type > backupFrames.partEnd) return;
              bytes += payload.length;
              await container.add(encodeFrame(type, payload));
            },
          }),
      );
      await container.end();
      const fileBytes = await sink.finish();
      const seconds = (now() - startedAtMs) / 1_000;
      return { ...(result as BackupResult), file, fileBytes, encrypted: passphrase !== undefined, seconds };
    } finally {
      channel.close();
    }
  } catch (error) {
    await sink.discard();
    throw error;
  }
}

function renderWritten({ tenant, file, fileBytes, encrypted, seconds, apps, data, pauseMs, secrets, leftOut }: Written): string {
  const holds = [
    `apps ${formatCount(apps.files, 'file')}, ${formatBytes(apps.bytes)}`,
    `data ${formatCount(data.files, 'file')}, ${formatBytes(data.bytes)}`,
    formatCount(secrets, 'secret'),
  ];
  const pause =
    pauseMs === undefined ? 'its data was read while apps wrote: it has no disk of its own' : `its disk stood still for ${pauseMs} ms`;
  return [
    `${tenant}: ${printable(file)}, ${formatBytes(fileBytes)}${encrypted ? ', encrypted' : ''}, in ${seconds.toFixed(1)} s`,
    `  ${holds.join('; ')}`,
    `  ${pause}`,
    ...describeLeftOut(leftOut),
    '',
  ].join('\n');
}
