import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TenantName } from '../../../src/base/ids.ts';
import {
  certsCalls,
  type CertsConfiguration,
  certsEvents,
  type CertsNotifications,
  type CertsRequests,
  certsResults,
  type EdgeChallenge,
  type IssuedCertificate,
  type NameStatus,
} from '../../../src/protocol/certs.ts';
import { type Channel, createChannel } from '../../../src/protocol/channel.ts';

export interface FakeDaemonOptions {
  configuration: CertsConfiguration;
  /** By tenant. */
  names: Record<string, readonly string[]>;
  onChallenge?: (challenge: EdgeChallenge) => void;
}

/** The daemon's side of the protocol: checks all that it hears by schema, and remembers it. */
export class FakeDaemon {
  readonly directory = mkdtempSync(join(tmpdir(), 'certs-'));
  readonly controlSocket = join(this.directory, 'control.sock');
  readonly stateDir = join(this.directory, 'state');
  readonly certificates = new Map<string, IssuedCertificate>();
  readonly statuses = new Map<string, NameStatus>();
  readonly challenges = new Map<string, EdgeChallenge>();
  /** Every message that was heard, by method, in order. */
  readonly heard: string[] = [];
  readonly log: string[] = [];
  completions = 0;
  configuration: CertsConfiguration;
  names: Record<string, readonly string[]>;
  private readonly server: Server;
  private readonly onChallenge: ((challenge: EdgeChallenge) => void) | undefined;
  private channel: Channel | undefined = undefined;

  private constructor({ configuration, names, onChallenge }: FakeDaemonOptions) {
    this.configuration = configuration;
    this.names = names;
    this.onChallenge = onChallenge;
    this.server = createServer((stream) => this.welcome(createChannel({ stream, handlers: this.handlers() })));
  }

  static async start(options: FakeDaemonOptions): Promise<FakeDaemon> {
    const daemon = new FakeDaemon(options);
    await daemon.listen();
    return daemon;
  }

  async listen(): Promise<void> {
    rmSync(this.controlSocket, { force: true });
    await new Promise<void>((resolve) => {
      this.server.listen(this.controlSocket, resolve);
    });
  }

  /** As if it was killed: `listen` brings it back. */
  async vanish(): Promise<void> {
    this.channel?.close();
    await new Promise((resolve) => {
      this.server.close(resolve);
    });
  }

  get paths(): { controlSocket: string; stateDir: string } {
    return { controlSocket: this.controlSocket, stateDir: this.stateDir };
  }

  notify<M extends keyof CertsNotifications>(method: M, params: CertsNotifications[M]): void {
    this.channel?.notify(method, params);
  }

  async ask<M extends keyof CertsRequests>(method: M, params: CertsRequests[M]['params']): Promise<CertsRequests[M]['result']> {
    const result = await this.channel?.request(method, params);
    return certsResults[method].parse(result) as CertsRequests[M]['result'];
  }

  setNames(tenant: string, names: readonly string[]): void {
    this.names[tenant] = names;
    this.notify('set-names', { tenant: tenant as TenantName, names });
  }

  async remove(): Promise<void> {
    await this.vanish();
    rmSync(this.directory, { recursive: true });
  }

  /** For messages of failed tests. */
  async explain(): Promise<string> {
    const states = [...this.statuses.values()].map(({ name, state, message }) => `${name}: ${state}: ${message}`);
    return [...states.slice(0, 30), ...this.log.slice(-30)].join('\n');
  }

  private welcome(channel: Channel): void {
    this.channel = channel;
    channel.notify('configure', this.configuration);
    channel.notify('snapshot-begin', {});
    for (const [tenant, names] of Object.entries(this.names)) channel.notify('set-names', { tenant, names });
    channel.notify('snapshot-end', {});
  }

  private handlers(): Record<string, (params: unknown) => unknown> {
    const hear =
      <T>(method: string, schema: { parse(value: unknown): T }, act: (params: T) => void) =>
      (params: unknown): void => {
        this.heard.push(method);
        act(schema.parse(params));
      };
    return {
      hello: hear('hello', certsEvents.hello, () => undefined),
      log: hear('log', certsEvents.log, ({ level, message }) => void this.log.push(`${level}: ${message}`)),
      'certificates-complete': hear('certificates-complete', certsEvents['certificates-complete'], () => void (this.completions += 1)),
      'set-certificate': hear('set-certificate', certsCalls['set-certificate'], (certificate) => {
        this.certificates.set(certificate.id, certificate);
      }),
      'remove-certificate': hear('remove-certificate', certsCalls['remove-certificate'], ({ id }) => void this.certificates.delete(id)),
      'set-challenge': hear('set-challenge', certsCalls['set-challenge'], (challenge) => {
        this.challenges.set(`${challenge.type} ${challenge.host}`, challenge);
        this.onChallenge?.(challenge);
      }),
      'remove-challenge': hear('remove-challenge', certsCalls['remove-challenge'], ({ type, host }) => {
        this.challenges.delete(`${type} ${host}`);
      }),
      report: hear('report', certsCalls.report, ({ names }) => {
        for (const status of names) this.statuses.set(status.name, status);
      }),
    };
  }
}
