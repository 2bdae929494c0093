import { type AppName, isAppName, isTenantName, type TenantName } from '../base/ids.ts';
import { TenantdError } from '../base/errors.ts';
import { parseDomainName } from '../config/domain-name.ts';
import { quote } from '../config/quote.ts';

export interface AppReference {
  tenant: TenantName;
  app: AppName;
}

/** `TENANT`. A name that no tenant can have is answered like one that no tenant has. */
export function parseTenantName(text: string): TenantName {
  if (isTenantName(text)) return text;
  throw new TenantdError('TENANTD_E_NO_SUCH_TENANT', `there is no tenant ${JSON.stringify(text)}`, 'tenantctl status lists the tenants');
}

/** `TENANT/APP` */
export function parseAppReference(text: string): AppReference {
  const [tenant = '', app = '', ...rest] = text.split('/');
  if (tenant === '' || app === '' || rest.length > 0) {
    throw new TenantdError('TENANTD_E_USAGE', `${JSON.stringify(text)} is not TENANT/APP`, 'name the app as in acme/site');
  }
  return { tenant: parseTenantName(tenant), app: parseAppName(app, tenant) };
}

/** `TENANT` or `TENANT/APP` */
export function parseLogSource(text: string): { tenant: TenantName; app?: AppName } {
  return text.includes('/') ? parseAppReference(text) : { tenant: parseTenantName(text) };
}

/** `acme.example` or `*.acme.example`, in the form that requests are compared with. */
export function parseDomain(text: string): string {
  const parsed = parseDomainName(text);
  if ('value' in parsed) return parsed.value;
  throw new TenantdError('TENANTD_E_BAD_DOMAIN', `${quote(text)} ${parsed.fault.message}`, parsed.fault.fix);
}

function parseAppName(text: string, tenant: string): AppName {
  if (isAppName(text)) return text;
  throw new TenantdError(
    'TENANTD_E_NO_SUCH_APP',
    `tenant ${tenant} has no app ${JSON.stringify(text)}`,
    `tenantctl status ${tenant} lists its apps`,
  );
}
