import { TenantdError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Problem } from '../base/problem.ts';
import { loadDaemonConfig } from '../config/daemon-config.ts';
import { findUser } from '../privileged/users.ts';
import { openMachine } from './open-machine.ts';
import { createPaths } from './paths.ts';
import { openMachineKeys } from './machine-keys.ts';
import { type ServiceManager } from './notify.ts';
import { createSecretVault } from './secret-vault.ts';
import { openState } from './state.ts';
import { releaseReserve } from './state-reserve.ts';

export interface DaemonOptions {
  configFile: string;
  nodeBinary: string;
  libDir: string;
  cgroupBase: string | undefined;
  /** Where systemd puts the service's credentials. */
  credentialsDir: string | undefined;
  manager: ServiceManager;
  log: Log;
}

/** What all else stands on: the configuration, the machine, the state. */
export type Foundation = Awaited<ReturnType<typeof openFoundation>>;

/** Rejects with a TenantdError that says what to mend. */
export async function openFoundation(options: DaemonOptions) {
  const { log, configFile } = options;
  const loaded = await loadDaemonConfig(configFile);
  if (!loaded.config) throw configurationError(loaded.problems);
  const config = loaded.config;
  const paths = createPaths(config);
  // Before anything is written.
  releaseReserve(paths.state.reserve);
  const { machine, missingLayers, unlock } = await openMachine({ ...options, config, paths });
  const uids = { ...config.uids, isTaken: (uid: number) => findUser({ uid }) !== undefined };
  const durable = openState({ files: paths.state, uids, log });
  const { store } = durable;
  const keys = openMachineKeys({ file: paths.machineKeyFile, credentialsDir: options.credentialsDir });
  const vault = createSecretVault({ rows: store.secrets, keys, log });
  vault.takeUp();
  return { config, configProblems: loaded.problems, paths, machine, missingLayers, unlock, durable, store, vault };
}

function configurationError(problems: readonly Problem[]): TenantdError {
  const lines = problems.map(({ file, line, message, fix }) => `${file ?? ''}${line === undefined ? '' : `:${line}`}: ${message} (${fix})`);
  return new TenantdError('TENANTD_E_CONFIGURATION', lines.join('\n'), 'mend the configuration: tenantctl check shows it all');
}
