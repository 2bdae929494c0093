import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { checkDirectory } from '../config/check.ts';
import { loadDaemonConfig } from '../config/daemon-config.ts';
import { createCertificateJudge } from './judge-certificate.ts';
import { renderProblemLine } from './problem-text.ts';
import type { GlobalOptions, SetExitCode, Surroundings } from './program.ts';
import { formatCount } from './quantities.ts';
import { writeJson } from './terminal.ts';

export function registerCheck(program: Command, { terminal, now }: Surroundings, setExitCode: SetExitCode): void {
  program
    .command('check')
    .description('report every problem of a configuration; needs no daemon')
    .argument('[dir]', 'the folder of tenantd.yaml, or of tenants (default: where the configuration file is)')
    .addHelpText('after', '\nExit code 1 when there are problems.\n\nExample: tenantctl check /etc/tenantd')
    .action(async (dir: string | undefined, _options: object, command: Command) => {
      const { config, json } = command.optsWithGlobals<GlobalOptions>();
      const checked = dir ?? dirname(config);
      const { problems, tenants, apps } = await checkDirectory(checked, createCertificateJudge(now));
      const ok = problems.length === 0;
      setExitCode(ok ? 0 : 1);
      if (json) return writeJson(terminal, { ok, problems, ...(await findPlaces(join(checked, 'tenantd.yaml'))) });
      const size = `${formatCount(tenants, 'tenant')}, ${formatCount(apps, 'app')}`;
      const outcome = ok ? terminal.paint('green', 'no problems') : terminal.paint('red', formatCount(problems.length, 'problem'));
      terminal.writeOut([...problems.flatMap(renderProblemLine), `${size}: ${outcome}`].join('\n') + '\n');
    });
}

/** For programs that go on from there: where everything is that a daemon with this file has. */
async function findPlaces(file: string): Promise<object> {
  const { config } = await loadDaemonConfig(file);
  if (!config) return {};
  const { tenantsDir, stateDir, runDir, logDir, userPrefix } = config;
  return { directories: { tenants: tenantsDir, state: stateDir, run: runDir, logs: logDir }, userPrefix };
}
