import { hostPaths, staticListenerFd } from '../protocol/host-paths.ts';
import { createTenantHost } from './host.ts';

// Without an argument, as in its sandbox; tests put it elsewhere.
const paths = { ...hostPaths, ...(JSON.parse(process.argv[2] ?? '{}') as Partial<typeof hostPaths>) };
const host = createTenantHost({ paths, staticListenerFd, onShutdown: () => process.exit(0) });

process.on('SIGTERM', () => {
  host.close();
  process.exit(0);
});

// Not awaited: as a CommonJS module it is loaded in half the time (scripts/build.ts).
void host.run();
