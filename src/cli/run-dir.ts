import { TenantdError } from '../base/errors.ts';
import { loadDaemonConfig, parseDaemonConfig } from '../config/daemon-config.ts';
import { readPlainFile } from '../config/plain-file.ts';
import type { Surroundings } from './program.ts';
import { howToBeKnown } from './token-source.ts';

export const usualConfigFile = '/etc/tenantd/tenantd.yaml';
const closedFix = 'ask the operator to make it readable: it holds no secrets';

/**
 * Where the daemon that runs with this file has its sockets. After a file was broken the daemon goes on with its last good
 * one, and its operator must be able to ask it what is wrong: then the line of `runDir` alone decides.
 */
export async function findRunDir({ isRoot }: Pick<Surroundings, 'isRoot'>, configFile: string, hasToken: boolean): Promise<string> {
  const { config, problems } = await loadDaemonConfig(configFile);
  const runDir = config?.runDir ?? (await findRunDirLine(configFile));
  if (runDir !== undefined) return runDir;
  // The file is the operator's, and may be closed to those who come with a token.
  if (hasToken && configFile === usualConfigFile) return parseDaemonConfig('{}', configFile).config?.runDir ?? '';
  const [problem] = problems;
  const forbidden = problem?.code === 'TENANTD_E_FILE_UNREADABLE' && !isRoot;
  throw new TenantdError(
    'TENANTD_E_UNREACHABLE',
    `${configFile} does not say where the daemon is: ${problem?.message ?? 'it can not be used'}`,
    forbidden
      ? hasToken
        ? closedFix
        : howToBeKnown
      : "name the daemon's configuration file by --config FILE or TENANTD_CONFIG; that of scripts/start is .instance/tenantd.yaml",
  );
}

async function findRunDirLine(configFile: string): Promise<string | undefined> {
  const { text } = await readPlainFile(configFile, { maxBytes: 1 << 20, followLink: true });
  if (text === undefined) return undefined;
  const [line = '{}'] = /^runDir:.*$/m.exec(text) ?? [];
  return parseDaemonConfig(line, configFile).config?.runDir;
}
