import { resolverPaths } from '../protocol/resolver-paths.ts';
import type { ResolverSettings } from '../protocol/resolver.ts';
import { runResolver } from './resolver-process.ts';

const { controlSocket } = JSON.parse(process.argv[2] ?? '{}') as ResolverSettings;
// Its reader ends with the daemon: what is printed then is lost, and no reason to end.
process.stderr.on('error', () => {});
const resolver = runResolver({ controlSocket: controlSocket ?? resolverPaths.controlSocket });

// What it knows, the next one finds out again.
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.on(signal, () => {
    resolver.close();
    process.exit(0);
  });
