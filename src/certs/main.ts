import { certsPaths } from '../protocol/certs-paths.ts';
import type { CertsSettings } from '../protocol/certs.ts';
import { runCerts } from './certs-process.ts';

const { controlSocket, stateDir } = JSON.parse(process.argv[2] ?? '{}') as CertsSettings;

// Its reader ends with the daemon: what is printed then is lost, and no reason to end.
process.stderr.on('error', () => {});
// Keys are for this user alone, whatever the parent's mask was.
process.umask(0o077);
const certs = await runCerts({ controlSocket: controlSocket ?? certsPaths.controlSocket, stateDir: stateDir ?? certsPaths.stateDir });

// All that must last is on disk at any moment: there is nothing to wait for.
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.on(signal, () => {
    certs.close();
    process.exit(0);
  });
