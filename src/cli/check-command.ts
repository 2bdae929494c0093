import { dirname } from 'node:path';
import type { Command } from 'commander';
import { checkDirectory } from '../config/check.ts';
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
      const { problems, tenants, apps } = await checkDirectory(dir ?? dirname(config), createCertificateJudge(now));
      const ok = problems.length === 0;
      setExitCode(ok ? 0 : 1);
      if (json) return writeJson(terminal, { ok, problems });
      const size = `${formatCount(tenants, 'tenant')}, ${formatCount(apps, 'app')}`;
      const outcome = ok ? terminal.paint('green', 'no problems') : terminal.paint('red', formatCount(problems.length, 'problem'));
      terminal.writeOut([...problems.flatMap(renderProblemLine), `${size}: ${outcome}`].join('\n') + '\n');
    });
}
