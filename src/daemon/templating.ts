import type { TenantName } from '../base/ids.ts';
import type { DaemonConfig } from '../config/daemon-config.ts';
import { createTurns } from './in-turn.ts';
import type { Machine } from './machine.ts';
import type { Store } from './store.ts';
import { createTemplateApplier } from './template-apply.ts';
import { createTemplates } from './templates.ts';

export interface TemplatingParts {
  machine: Machine;
  store: Store;
  configFile: string;
  templatesDir: string;
  plans: () => Pick<DaemonConfig, 'plans' | 'defaultPlan'>;
  edgesAreOutdated: () => boolean;
  refresh: (tenant: TenantName) => Promise<void>;
}

export type Templating = ReturnType<typeof createTemplating>;

/** What belongs to templates, and to the operator's files as they are and as they are carried out. */
export function createTemplating({ machine, store, configFile, templatesDir, plans, edgesAreOutdated, refresh }: TemplatingParts) {
  /** One change of the operator's files after another. */
  const inTurn = createTurns();
  const { paths, log, programs } = machine;
  const templates = createTemplates({ templatesDir, plans, store, owners: () => store.domainOwners() });
  const templateApplier = createTemplateApplier({ paths, store, perl: programs.perl, log, refresh, inTurn });
  return { templates, templateApplier, inTurn, plans, configFile, edgesAreOutdated, takeUp: templateApplier.takeUp };
}
