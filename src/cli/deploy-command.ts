import type { Command } from 'commander';
import { TenantdError } from '../base/errors.ts';
import type { DeployOpened } from '../protocol/release-calls.ts';
import type { DeployResult, DeployStep } from '../protocol/deploy.ts';
import { connectDaemon } from './control-client.ts';
import { openArchive } from './deploy-archive.ts';
import { runDeployClient } from './deploy-client.ts';
import { printable } from './printable.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { withProgress } from './progress.ts';
import { formatBytes, formatCount } from './quantities.ts';
import { type AppReference, parseAppReference } from './references.ts';
import { type Terminal, writeJson } from './terminal.ts';

const help = `
Sends the folder (all of it but .git and what a .tenantdignore in it names) or
a .tar, .tar.gz or .tgz file. It is unpacked and, where its app.yaml has
"build", built; then new workers start beside the old, and serve once all of
them are ready. Until then nothing changes, and whatever fails leaves nothing.
An app that is not there yet is made.

Example: tenantctl app deploy acme/site ./site`;

/** Until it is answered whether there is room for it. */
const openTimeoutMs = 60_000;

interface DeployOptions extends GlobalOptions {
  wait?: boolean;
}

export function registerDeploy(app: Command, surroundings: Surroundings): void {
  app
    .command('deploy')
    .description('make a folder or an archive the release that serves')
    .argument('<tenant/app>', 'the app, which need not be there yet')
    .argument('<path>', 'a folder, or a .tar, .tar.gz or .tgz file; - for an archive on stdin')
    .option('--wait', 'also until the release before has served its last request')
    .addHelpText('after', help)
    .action(async (reference: string, path: string, _options: object, command: Command) => {
      const { json, ...options } = command.optsWithGlobals<DeployOptions>();
      const target = parseAppReference(reference);
      const result = await deploy(surroundings, target, path, options);
      if (result.proposal !== undefined) throw proposed(target, result.proposal);
      if (json) writeJson(surroundings.terminal, { ...target, ...result });
      else surroundings.terminal.writeOut(renderDeployed(target, result));
    });
}

function proposed({ tenant, app }: AppReference, id: string): TenantdError {
  return new TenantdError(
    'TENANTD_E_PROPOSED',
    `proposal ${id}: app-deploy of ${tenant}/${app} waits to be approved`,
    `tenantctl approve ${id}`,
  );
}

async function deploy(
  surroundings: Surroundings,
  target: AppReference,
  path: string,
  options: Omit<DeployOptions, 'json'>,
): Promise<DeployResult> {
  const { terminal } = surroundings;
  const archive = await openArchive(path);
  const channel = await connectDaemon(surroundings, options.config, {});
  let doing = 'sending';
  const output = createOutputLines(terminal);
  try {
    const { stream, result } = await channel.upgrade('app-deploy', { ...target, wait: options.wait ?? false }, openTimeoutMs);
    const { release } = result as DeployOpened;
    return await withProgress(
      terminal,
      () => `${release}: ${doing}`,
      () =>
        runDeployClient(stream, archive, {
          onSent: (bytes) => (doing = `sending, ${formatBytes(bytes)} so far`),
          onStep: (step) => (doing = nameOf(step)),
          onOutput: output.add,
        }),
    );
  } catch (error) {
    throw withoutOutput(terminal, error);
  } finally {
    output.end();
    channel.close();
  }
}

function nameOf(step: DeployStep): string {
  const names = { unpacked: 'unpacked', building: 'building', starting: 'starting', serving: 'waiting for the one before to end' };
  return names[step.step];
}

/** A build's output, on stderr as it comes, fit for a terminal. */
function createOutputLines({ writeErr }: Terminal): { add: (bytes: Buffer) => void; end: () => void } {
  const decoder = new TextDecoder();
  let rest = '';
  const write = (line: string): void => writeErr(`  ${printable(line)}\n`);
  return {
    add(bytes) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) write(line);
    },
    end() {
      if (rest !== '') write(rest);
      rest = '';
    },
  };
}

/** What the app printed is shown line by line; the error says the rest. */
function withoutOutput({ writeErr }: Terminal, error: unknown): unknown {
  if (!(error instanceof TenantdError)) return error;
  const [message = '', ...lines] = error.message.split('\n');
  for (const line of lines) writeErr(`${printable(line)}\n`);
  return new TenantdError(error.code, message, error.fix);
}

export function renderDeployed({ tenant, app }: AppReference, { release, files, bytes, previous, stopped }: DeployResult): string {
  const size = `${formatCount(files, 'file')}, ${formatBytes(bytes)}`;
  const serves = stopped ? 'is current; the app is stopped' : 'serves';
  const before = previous === undefined ? '' : `; before: ${printable(previous)}`;
  return `${tenant}/${app}: ${printable(release)} ${serves} (${size})${before}\n`;
}
