import { limitsByKey, starterPlan } from '../config/plans.ts';
import type { LimitInfo, PlanListResult, PlanShowResult, WorkerSize } from '../protocol/plan-calls.ts';
import type { ControlOperations } from './control-server.ts';
import type { Fleet } from './fleet.ts';
import { type Machine, tenantGroup } from './machine.ts';
import type { Tenant } from './tenant.ts';

export interface PlanOperationParts {
  machine: Pick<Machine, 'groups'>;
  fleet: Pick<Fleet, 'plans' | 'names' | 'desired'>;
  tenantOf: (name: string) => Tenant;
}

type Found = Pick<LimitInfo, 'now' | 'source' | 'used'>;

export function createPlanOperations({ machine, fleet, tenantOf }: PlanOperationParts): Pick<ControlOperations, 'plan-list' | 'plan-show'> {
  /** As the kernel has it now: of a tenant that is up. */
  function foundOf(tenant: Tenant): Record<string, Found> {
    const group = tenantGroup(tenant.name);
    const limits = machine.groups?.limitsOf(group);
    const use = machine.groups?.useOf(group);
    const disk = tenant.resources.disk.use();
    return {
      ...(limits && {
        memory: { now: limits.memoryBytes, source: limits.files.memoryBytes, ...(use && { used: use.memoryBytes }) },
        cpu: { now: limits.cpu, source: limits.files.cpu },
        processes: { now: limits.processes, source: limits.files.processes, used: machine.groups?.processesOf(group) ?? 0 },
      }),
      ...(disk && { disk: { now: disk.bytesLimit, used: disk.bytes }, files: { now: disk.filesLimit, used: disk.files } }),
    };
  }

  return {
    'plan-list': (): PlanListResult => {
      const { plans, defaultPlan } = fleet.plans();
      const byPlan = Map.groupBy(fleet.names(), (name) => fleet.desired(name)?.config.plan ?? '');
      return {
        plans: [...plans].map(([name, plan]) => ({
          ...{ name, isDefault: name === defaultPlan, limits: limitsByKey(plan), tenants: byPlan.get(name) ?? [] },
        })),
      };
    },
    'plan-show': ({ tenant: name }): PlanShowResult => {
      const tenant = tenantOf(name);
      const config = tenant.picture.desired()?.config;
      const planName = config?.plan ?? '';
      const plan = limitsByKey(fleet.plans().plans.get(planName) ?? starterPlan);
      const effective = config ? limitsByKey(config.limits) : plan;
      const found = foundOf(tenant);
      return {
        ...{ tenant: tenant.name, plan: planName },
        limits: Object.entries(plan).map(([key, value]) => {
          const own = effective[key];
          return { key, plan: value, ...(own !== undefined && own !== value && { own }), ...found[key] };
        }),
        workers: sizesOf(tenant),
      };
    },
  };
}

function sizesOf({ workers, picture }: Tenant): WorkerSize[] {
  return workers.all().flatMap(({ app, size, sandbox, draining }): WorkerSize[] => {
    const order = picture.apps().get(app)?.order;
    if (!size || !order || draining) return [];
    const { heapMegabytes, tmpBytes } = order;
    return [{ app, pid: sandbox.commandPid(), ...size, wanted: { heapMegabytes, tmpBytes } }];
  });
}
