import { messageOf } from '../base/errors.ts';
import { feedProgram, type Programs, runProgram } from './programs.ts';

/**
 * A tenant's way out of its network: a pair of virtual interfaces with an address for this tenant alone, and the same gateway for all.
 * It ends with its network.
 */
export interface EgressLink {
  /** Of the machine's end; the tenant's is `eth0`. */
  name: string;
  /** As nsenter(1) takes it. */
  network: string;
  address4: string;
  gateway4: string;
  ipv6: { address: string; gateway: string } | undefined;
}

/** As ip(8) tells of an interface. */
interface Interface {
  ifname: string;
  ifalias?: string;
  flags?: string[];
  addr_info?: { local?: string }[];
}

interface Route {
  dst: string;
  gateway?: string;
  dev?: string;
}

const inside = 'eth0';

/** Rejects with ip(8)'s words, and leaves nothing. */
export async function makeLink(programs: Programs, link: EgressLink): Promise<void> {
  await removeLink(programs, link.name);
  try {
    await configure(programs, [], [`link add ${link.name} type veth peer name ${inside} netns ${link.network}`, ...outsideLines(link)]);
    await configure(programs, enter(programs, link.network), insideLines(link));
  } catch (error) {
    await removeLink(programs, link.name);
    throw error;
  }
}

/** Whether it is there as `makeLink` left it: nothing of it was taken away. */
export async function isLinkWhole(programs: Programs, link: EgressLink): Promise<boolean> {
  const ends = [
    { command: [], device: link.name, address: link.gateway4, address6: link.ipv6?.gateway, route: link.address4 },
    { command: enter(programs, link.network), device: inside, address: link.address4, address6: link.ipv6?.address, route: 'default' },
  ];
  try {
    for (const { command, device, address, address6, route } of ends) {
      const [shown] = await show<Interface>(programs, command, ['address', 'show', 'dev', device]);
      const addresses = shown?.addr_info?.map(({ local }) => local) ?? [];
      if (!shown?.flags?.includes('UP') || !addresses.includes(address)) return false;
      if (address6 !== undefined && !addresses.includes(address6)) return false;
      const routes = await show<Route>(programs, command, ['-4', 'route', 'show', 'dev', device]);
      if (!routes.some(({ dst }) => dst === route)) return false;
    }
    return true;
  } catch {
    return false; // no such interface
  }
}

/** No matter if it is there. */
export async function removeLink(programs: Programs, name: string): Promise<void> {
  try {
    await runProgram(programs.ip, ['link', 'delete', 'dev', name]);
  } catch (error) {
    if (!messageOf(error).includes('Cannot find device')) throw error;
  }
}

export async function linksBeginningWith(programs: Programs, prefix: string): Promise<{ name: string; note: string }[]> {
  const links = await show<Interface>(programs, [], ['link', 'show', 'type', 'veth']);
  return links.filter(({ ifname }) => ifname.startsWith(prefix)).map(({ ifname, ifalias = '' }) => ({ name: ifname, note: ifalias }));
}

/** Lasts as long as the link, over the daemon's restart. */
export async function noteOnLink(programs: Programs, name: string, note: string): Promise<void> {
  await runProgram(programs.ip, ['link', 'set', 'dev', name, 'alias', note]);
}

/** Every block of IPv4 addresses that the machine itself has a way to, but for the default one and those over our links. */
export async function routedBlocks(programs: Programs, linkPrefix: string): Promise<string[]> {
  const routes = await show<Route>(programs, [], ['-4', 'route', 'show', 'table', 'all']);
  return routes.filter(({ dst, dev }) => dst !== 'default' && !dev?.startsWith(linkPrefix)).map(({ dst }) => dst);
}

function outsideLines({ name, gateway4, address4, ipv6 }: EgressLink): string[] {
  return [
    `link set dev ${name} up`,
    `address add ${gateway4}/32 dev ${name}`,
    `route add ${address4}/32 dev ${name}`,
    ...(ipv6 ? [`address add ${ipv6.gateway}/128 dev ${name} nodad`, `route add ${ipv6.address}/128 dev ${name}`] : []),
  ];
}

function insideLines({ gateway4, address4, ipv6 }: EgressLink): string[] {
  return [
    `link set dev ${inside} up`,
    `address add ${address4}/32 dev ${inside}`,
    `route add default via ${gateway4} dev ${inside} onlink`,
    ...(ipv6 ? [`address add ${ipv6.address}/128 dev ${inside} nodad`, `route add default via ${ipv6.gateway} dev ${inside} onlink`] : []),
  ];
}

function enter(programs: Programs, network: string): string[] {
  return [programs.nsenter, `--net=${network}`, '--'];
}

async function configure(programs: Programs, before: readonly string[], lines: readonly string[]): Promise<void> {
  const [program, ...args] = [...before, programs.ip, '-batch', '-'];
  await feedProgram(program ?? programs.ip, args, `${lines.join('\n')}\n`);
}

/** Of links of a kind whose module is not loaded, as after a boot, ip(8) prints those of other kinds as `{}`. */
async function show<Shown extends object>(programs: Programs, before: readonly string[], words: readonly string[]): Promise<Shown[]> {
  const [program, ...args] = [...before, programs.ip, '-json', ...words];
  const text = await feedProgram(program ?? programs.ip, args, '');
  return text.trim() === '' ? [] : (JSON.parse(text) as Shown[]).filter((shown) => Object.keys(shown).length > 0);
}
