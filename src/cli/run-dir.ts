import { TenantdError } from '../base/errors.ts';
import { loadDaemonConfig, parseDaemonConfig } from '../config/daemon-config.ts';
import { readPlainFile } from '../config/plain-file.ts';
import type { Surroundings } from './program.ts';

/**
 * Where the daemon that runs with this file has its sockets. After a file was broken the daemon goes on with its last good
 * one, and its operator must be able to ask it what is wrong: then the line of `runDir` alone decides.
 */
export async function findRunDir({ isRoot }: Pick<Surroundings, 'isRoot'>, configFile: string): Promise<string> {
  const { config, problems } = await loadDaemonConfig(configFile);
  const runDir = config?.runDir ?? (await findRunDirLine(configFile));
  if (runDir !== undefined) return runDir;
  const [problem] = problems;
  const forbidden = problem?.code === 'TENANTD_E_FILE_UNREADABLE' && !isRoot;
  throw new TenantdError(
    'TENANTD_E_UNREACHABLE',
    `${configFile} does not say where the daemon is: ${problem?.message ?? 'it can not be used'}`,
    forbidden
      ? 'run it as root (sudo)'
      : "name the daemon's configuration file by --config FILE or TENANTD_CONFIG; that of scripts/start is .instance/tenantd.yaml",
  );
}

async function findRunDirLine(configFile: string): Promise<string | undefined> {
  const { text } = await readPlainFile(configFile, { maxBytes: 1 << 20, followLink: true });
  if (text === undefined) return undefined;
  const [line = '{}'] = /^runDir:.*$/m.exec(text) ?? [];
  return parseDaemonConfig(line, configFile).config?.runDir;
}
