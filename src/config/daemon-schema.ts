import { z } from 'zod';
import { acmeSchema } from './acme-schema.ts';
import { parseIpBlock, parseListenAddress, parsePrivatePool, parseResolver } from './addresses.ts';
import { parseSocketAddress } from './socket-address.ts';
import { absolutePath } from './path-values.ts';
import { planSchema } from './plans.ts';
import { durationBetween, planName, sizeBetween, textAs, wholeNumber } from './values.ts';

/** DESIGN.md 5, one name a layer: what an operator may say this machine does without. */
export const isolationLayers = ['user', 'root', 'processes', 'syscalls', 'network', 'resources', 'disk', 'secrets'] as const;
/** Those that it can do without: a tenant still has a user and a root of its own. Without one of the others there is no sandbox at all. */
export const waivableLayers: readonly string[] = ['syscalls', 'network', 'resources', 'disk'];

const listenList = z
  .array(textAs(parseListenAddress, 'address:port; IPv6 in brackets', '127.0.0.1:8080'))
  .min(1)
  .max(64)
  .meta({ description: 'Where to listen' });

/** tenantd.yaml (INTERFACE 3). */
export const daemonSchema = z
  .strictObject({
    tenantsDir: absolutePath('One folder a tenant', '/srv/tenantd/tenants').prefault('/srv/tenantd/tenants'),
    stateDir: absolutePath('What the daemon remembers', '/var/lib/tenantd').prefault('/var/lib/tenantd'),
    runDir: absolutePath('Sockets and pipes; may be emptied at a boot', '/run/tenantd').prefault('/run/tenantd'),
    logDir: absolutePath('Access logs; what apps print is on the disk of their tenant', '/var/log/tenantd').prefault('/var/log/tenantd'),
    templatesDir: absolutePath('Templates of tenants', '/etc/tenantd/templates').prefault('/etc/tenantd/templates'),
    userPrefix: z
      .string()
      .regex(/^[a-z][a-z0-9_-]{0,15}$/, 'must be 1 to 16 of a-z, 0-9, "-" and "_", a letter first')
      .prefault('tnt-')
      .meta({ description: "Begins the names of tenants' Unix users" }),
    uids: z
      .strictObject({
        first: wholeNumber(1_000, 4_294_000_000, 'The first uid').prefault(200_000),
        count: wholeNumber(2, 4_294_000_000, 'How many').prefault(65_536),
      })
      .prefault({})
      .meta({ description: 'Uids for tenants and their apps; never used twice' }),
    isolation: z
      .strictObject({ without: z.array(z.enum(isolationLayers)).max(isolationLayers.length).default([]) })
      .prefault({})
      .meta({ description: 'Layers that this machine may lack: loud in status and verify' }),
    verify: z
      .strictObject({
        interval: durationBetween('10s', '24h', 'How often all that runs is compared with what was promised').prefault('5m'),
      })
      .prefault({})
      .meta({ description: 'Reads the isolation of what runs back from the kernel' }),
    logs: z
      .strictObject({
        maxBytes: sizeBetween('64K', '1T', 'Size of one log file').prefault('50M'),
        keep: wholeNumber(1, 1_000, 'How many log files are kept').prefault(5),
        journal: z.boolean().default(false).meta({ description: "What apps print goes to the system's journal, too" }),
      })
      .prefault({})
      .meta({ description: 'Logs of one app' }),
    http: z.strictObject({ listen: listenList.prefault(['[::]:80']) }).prefault({}),
    https: z.strictObject({ listen: listenList.prefault(['[::]:443']) }).exactOptional(),
    edge: z
      .strictObject({
        processes: wholeNumber(1, 256, 'How many edges share the load').prefault(1),
        trustedProxies: z
          .array(textAs(parseIpBlock, "Whose word on a client's address counts", '10.0.0.0/8'))
          .max(1_024)
          .default([]),
        proxyProtocol: z.boolean().default(false).meta({ description: 'Trusted proxies begin each connection with a PROXY header' }),
      })
      .prefault({}),
    network: z
      .strictObject({
        addresses: textAs(parsePrivatePool, "Of tenants' links, one for each uid; nothing else may use them", '10.213.0.0/16').prefault(
          '10.213.0.0/16',
        ),
        resolvers: z
          .array(textAs(parseResolver, "Who looks up names for tenants; default: the machine's resolvers", '127.0.0.1:53'))
          .max(3)
          .default([]),
      })
      .prefault({})
      .meta({ description: 'How tenants reach other machines' }),
    acme: acmeSchema.exactOptional().meta({ description: 'Certificates by ACME; absent: the local CA' }),
    releases: z
      .strictObject({
        keep: wholeNumber(2, 100, 'How many releases of an app are kept').prefault(5),
        watch: durationBetween('0s', '24h', 'How long a release that fails is taken back by itself; 0s: never').prefault('2m'),
        buildTimeout: durationBetween('1s', '24h', 'How long a build may take').prefault('15m'),
      })
      .prefault({})
      .meta({ description: 'What tenantctl app deploy makes' }),
    removal: z
      .strictObject({
        keepFor: durationBetween('0s', '3650d', 'How long the data of a tenant that was removed is kept').prefault('7d'),
      })
      .prefault({})
      .meta({ description: 'What tenantctl tenant remove does' }),
    usage: z
      .strictObject({
        keep: durationBetween('1d', '3650d', 'How long it is kept what tenants used').prefault('400d'),
      })
      .prefault({})
      .meta({ description: 'What tenantctl usage shows' }),
    metrics: z
      .strictObject({ listen: textAs(parseSocketAddress, 'Where Prometheus asks: address:port, or unix:PATH', '127.0.0.1:9701') })
      .exactOptional()
      .meta({ description: 'Figures for Prometheus; absent: none' }),
    shells: z
      .strictObject({
        record: z.boolean().default(false).meta({ description: 'Keep what shells and commands print, below logDir' }),
        recordBytes: sizeBetween('64K', '1T', 'Size of one recording').prefault('16M'),
        keep: wholeNumber(1, 10_000, 'How many recordings of a tenant are kept').prefault(100),
        idle: durationBetween('1s', '24d', 'How long a session may be silent; absent: for ever').exactOptional(),
      })
      .prefault({})
      .meta({ description: 'Sessions of tenantctl shell and exec' }),
    plans: z.record(planName, planSchema).exactOptional(),
    defaultPlan: planName.prefault('starter'),
    console: z.strictObject({ listen: textAs(parseListenAddress, 'address:port', '127.0.0.1:9700') }).exactOptional(),
  })
  .meta({ title: 'tenantd.yaml', description: 'The configuration of tenantd' });

export type DaemonFile = z.infer<typeof daemonSchema>;
