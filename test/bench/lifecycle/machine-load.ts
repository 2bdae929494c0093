import { availableParallelism, cpus, loadavg } from 'node:os';

/** A share of the processors' time that others may take before figures are those of a busy machine. */
const quietShare = 0.3;

/** To be said before anything of one's own is started. */
export function describeMachine(): string {
  const [load = 0] = loadavg();
  const processors = availableParallelism();
  const busy = load > processors * quietShare ? ': BUSY with other things, figures say little' : '';
  return `${cpus()[0]?.model ?? 'a processor'}, ${processors} processors, Node ${process.versions.node}, load ${load.toFixed(1)}${busy}`;
}
