import type { TenantName } from '../base/ids.ts';
import type { RequestLimits, TenantRoutes, TenantTls } from '../protocol/edge.ts';

/** What the edge knows of a tenant besides its routes, and what it counts. The object lives as long as the tenant is routed. */
export class TenantState {
  readonly name: TenantName;
  limits: RequestLimits;
  tls: TenantTls;
  brandName: string | undefined;

  constructor(routes: TenantRoutes) {
    this.name = routes.tenant;
    this.limits = routes.limits;
    this.tls = routes.tls;
    this.brandName = routes.brandName;
  }

  change(routes: TenantRoutes): void {
    this.limits = routes.limits;
    this.tls = routes.tls;
    this.brandName = routes.brandName;
  }
}
