import type { TenantConfig } from '../config/tenant-config.ts';
import { type Finding, judge, listOr } from './verify-finding.ts';

/** `drift`: what is not as it was set, a sentence each; undefined where nothing is open. */
export function checkEgress(targets: TenantConfig['egress'], drift: readonly string[] | undefined): Finding[] {
  const isListed = targets === 'any' || targets.length > 0;
  if (!isListed && !drift) return [];
  const expected = isListed ? 'the link and the rules of its list' : 'no link and no rules';
  return [
    judge('network', 'egress', isListed && drift?.length === 0, {
      expected,
      actual: drift ? listOr(drift, 'the link and the rules of its list') : 'no link and no rules',
      source: 'nft list ruleset, ip link',
    }),
  ];
}
