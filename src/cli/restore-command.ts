import type { Command } from 'commander';
import type { RestoreOpened, RestoreResult } from '../protocol/backup-calls.ts';
import { openContainer } from './backup-container.ts';
import { openBackup } from './backup-file.ts';
import { knownPassphrase, type PassphraseOptions } from './backup-passphrase.ts';
import { hearDaemon, sendBackup } from './backup-stream.ts';
import { renderMade } from './backup-text.ts';
import { connectDaemon } from './control-client.ts';
import { printable } from './printable.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { withProgress } from './progress.ts';
import { formatBytes } from './quantities.ts';
import { writeJson } from './terminal.ts';

const help = `
The tenant must not be there: tenantctl tenant remove takes one away, --as gives
this one another name. Where another tenant has its domains, give it others:
--domain NEW takes the place of the first, one more that of the second, or
OLD=NEW says which. Its plan must be one of this machine, or give --plan.

Everything is checked before it is in service. What is damaged, or ends in the
middle, leaves nothing. --check only reads FILE, and says whether it is whole.

Example: tenantctl tenant restore acme.backup --as acme2 --domain acme2.example`;

const openTimeoutMs = 60_000;

interface RestoreOptions extends GlobalOptions, PassphraseOptions {
  as?: string;
  domain?: string[];
  plan?: string;
  check?: boolean;
}

export function registerRestore(tenant: Command, surroundings: Surroundings): void {
  tenant
    .command('restore')
    .description('make a tenant of what `tenant backup` wrote')
    .argument('<file>', 'a backup, or "-"')
    .option('--as <name>', 'the name that it is to have')
    .option('--domain <domain...>', 'in place of its own: NEW, or OLD=NEW')
    .option('--plan <plan>', 'in place of its own')
    .option('--passphrase-file <file>', 'has the passphrase, in its first line')
    .option('--check', 'change nothing: read all of it')
    .addHelpText('after', help)
    .action(async (file: string, _options: object, command: Command) => {
      const options = command.optsWithGlobals<RestoreOptions>();
      if (options.check) return check(surroundings, file, options);
      const startedAtMs = surroundings.now();
      const result = await restore(surroundings, file, options);
      const seconds = (surroundings.now() - startedAtMs) / 1_000;
      if (options.json) writeJson(surroundings.terminal, { ...result, seconds });
      else surroundings.terminal.writeOut(renderMade(result, seconds));
    });
}

async function open({ terminal }: Surroundings, file: string, options: RestoreOptions) {
  return openContainer(await openBackup(file), () => knownPassphrase(options, file === '-', terminal));
}

async function check(surroundings: Surroundings, file: string, options: RestoreOptions): Promise<void> {
  const { terminal } = surroundings;
  const { header, content } = await open(surroundings, file, options);
  let bytes = 0;
  await withProgress(
    terminal,
    () => `${formatBytes(bytes)} are as they were`,
    async () => {
      for await (const chunk of content) bytes += chunk.length;
    },
  );
  const { tenant, createdAt, version, key } = header;
  const encrypted = key !== undefined;
  if (options.json) return writeJson(terminal, { ok: true, tenant, createdAt, version, encrypted, bytes });
  const made = `made ${printable(createdAt)} by tenantd ${printable(version)}${encrypted ? ', encrypted' : ''}`;
  terminal.writeOut(`${printable(file)}: a whole backup of ${printable(tenant)}, ${made}\n`);
}

async function restore(surroundings: Surroundings, file: string, options: RestoreOptions): Promise<RestoreResult> {
  const { as, domain: domains, plan } = options;
  const { keys, content } = await open(surroundings, file, options);
  const channel = await connectDaemon(surroundings, options.config, {});
  try {
    const params = {
      ...(as !== undefined && { as }),
      ...(domains && { domains }),
      ...(plan !== undefined && { plan }),
      ...(keys.secrets && { secretsKey: keys.secrets.toString('base64') }),
    };
    const { stream, result } = await channel.upgrade('tenant-restore', params, openTimeoutMs);
    let [doing, bytes] = ['reading', 0];
    const heard = withProgress(
      surroundings.terminal,
      () => `${doing}, ${formatBytes(bytes)} so far`,
      () => hearDaemon(stream, { onStep: (step) => (doing = step.doing) }).finally(() => stream.destroy()),
    );
    const sent = sendBackup(stream, content, (result as RestoreOpened).ticket, (more) => (bytes += more));
    // The daemon's word comes when nothing is left of what it made; what is wrong with the file itself says more.
    const [said, sending] = await Promise.allSettled([heard, sent]);
    if (sending.status === 'rejected') throw sending.reason;
    if (said.status === 'rejected') throw said.reason;
    return said.value as RestoreResult;
  } finally {
    channel.close();
  }
}
