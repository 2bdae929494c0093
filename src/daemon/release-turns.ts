import { TenantdError } from '../base/errors.ts';
import type { ReleasePlace } from './release-place.ts';

/** Of one app's releases one thing is done at a time. */
export interface ReleaseTurns {
  /** Until the function that this gives is called, nothing else is done. Throws TENANTD_E_BUSY. */
  take(place: Pick<ReleasePlace, 'tenant' | 'app'>, what: string, actor: string): () => void;
  isTaken(place: Pick<ReleasePlace, 'tenant' | 'app'>): boolean;
  isAnyTaken(tenant: string): boolean;
  /** Aborted: no more are given. */
  readonly ending: AbortSignal;
  end(): void;
}

export const deployTurn = 'a deploy';
/** Each has jobs, of half a gigabyte at worst. */
const mostDeploys = 8;
/** Others have their turn, too; and each of them may take all of the room that the tenant has left. */
const mostOfTenant = 2;

export function createReleaseTurns(): ReleaseTurns {
  const taken = new Map<string, { what: string; actor: string; since: Date }>();
  const ending = new AbortController();
  const keyOf = ({ tenant, app }: Pick<ReleasePlace, 'tenant' | 'app'>): string => `${tenant}/${app}`;

  function assertRoom(what: string, tenant: string): void {
    if (what !== deployTurn) return;
    const deploys = [...taken].flatMap(([key, turn]) => (turn.what === deployTurn ? [key] : []));
    const own = deploys.filter((key) => key.startsWith(`${tenant}/`)).length;
    if (deploys.length < mostDeploys && own < mostOfTenant) return;
    const many = own < mostOfTenant ? `${deploys.length} deploys` : `${own} deploys of ${tenant}`;
    throw new TenantdError('TENANTD_E_BUSY', `${many} are under way, which is the limit`, 'wait until one of them has ended');
  }

  return {
    take(place, what, actor) {
      if (ending.signal.aborted) throw new TenantdError('TENANTD_E_UNREACHABLE', 'the daemon stops', 'try again when it is back');
      const key = keyOf(place);
      const other = taken.get(key);
      if (other) {
        const message = `${other.what} of ${key} is under way, begun by ${other.actor} at ${other.since.toISOString()}`;
        throw new TenantdError('TENANTD_E_BUSY', message, 'wait until it has ended');
      }
      assertRoom(what, place.tenant);
      taken.set(key, { what, actor, since: new Date() });
      return () => void taken.delete(key);
    },
    isTaken: (place) => taken.has(keyOf(place)),
    isAnyTaken: (tenant) => [...taken.keys()].some((key) => key.startsWith(`${tenant}/`)),
    ending: ending.signal,
    end: () => ending.abort(),
  };
}
