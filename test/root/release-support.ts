import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { type Channel, createChannel } from '../../src/protocol/channel.ts';
import type { ReleaseStatus } from '../../src/protocol/release-calls.ts';
import { archiveFrames } from '../../src/protocol/deploy.ts';
import { writeFrame } from '../../src/protocol/terminal.ts';
import type { TestDaemon } from '../support/test-daemon.ts';

/** A Node app that answers with a text. */
export function answering(text: string): Record<string, string> {
  return { 'server.js': `require('node:http').createServer((request, response) => response.end(${JSON.stringify(text)})).listen(3000);\n` };
}

/** A folder to be deployed, below the daemon's own: it goes with it. */
export function folderWith(daemon: TestDaemon, files: Record<string, string>): string {
  const folder = mkdtempSync(join(daemon.directory, 'source-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

export function deploy(daemon: TestDaemon, app: string, files: Record<string, string>) {
  return daemon.ctl('app', 'deploy', app, folderWith(daemon, files));
}

export async function releasesOf(daemon: TestDaemon, app: string): Promise<ReleaseStatus[]> {
  const { stdout } = await daemon.ctl('app', 'releases', app, '--json');
  return (JSON.parse(stdout) as { releases: ReleaseStatus[] }).releases;
}

/** All names in `releases/`, whole or not. */
export function foldersOf(daemon: TestDaemon, app: string): string[] {
  const [tenant = '', name = ''] = app.split('/');
  try {
    return readdirSync(`${daemon.tenantsDir}/${tenant}/apps/${name}/releases`).sort();
  } catch {
    return []; // nothing was ever deployed
  }
}

export interface HalfDeploy {
  channel: Channel;
  stream: Duplex;
}

/** A deploy of which only so many bytes were sent. */
export async function sendHalf(daemon: TestDaemon, app: string, bytes: Buffer): Promise<HalfDeploy> {
  const [tenant = '', name = ''] = app.split('/');
  const channel = createChannel({ stream: connect(`${daemon.directory}/run/control/operator.sock`), handlers: {} });
  const { stream } = await channel.upgrade('app-deploy', { tenant, app: name });
  stream.on('error', () => {});
  await writeFrame(stream, archiveFrames.data, bytes);
  return { channel, stream };
}
