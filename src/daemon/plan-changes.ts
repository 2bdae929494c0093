import type { Problem } from '../base/problem.ts';
import type { TenantName } from '../base/ids.ts';
import type { WorkerSize } from './app-order.ts';
import type { TenantPicture } from './tenant-picture.ts';
import type { Worker } from './workers.ts';

/** Of workers that run on in a plan of other sizes than they were started with; one that is replaced already is no problem. */
export function sizeProblems(tenant: TenantName, picture: TenantPicture, workers: readonly Worker[]): Problem[] {
  if (!picture.desired()) return [];
  return [...picture.apps()].flatMap(([app, { order, spec }]): Problem[] => {
    const other = workers.find((worker) => worker.app === app && worker.generation === spec.generation && isOther(worker, order));
    if (!other?.size) return [];
    const message = `workers of ${app} have ${sizeWords(other.size)}, as when they were started; new ones get ${sizeWords(order)}`;
    const fix = `tenantctl app restart ${tenant}/${app}: new workers beside the old; all other limits count already`;
    return [{ code: 'TENANTD_E_RESTART_NEEDED', message, fix, app }];
  });
}

function isOther({ size, draining }: Worker, wanted: WorkerSize): boolean {
  return size !== undefined && !draining && (size.heapMegabytes !== wanted.heapMegabytes || size.tmpBytes !== wanted.tmpBytes);
}

function sizeWords({ heapMegabytes, tmpBytes }: WorkerSize): string {
  return `a heap of ${heapMegabytes} MiB and a /tmp of ${Math.floor(tmpBytes / 2 ** 20)} MiB`;
}
