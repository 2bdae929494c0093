/** By path below its folder. */
export type TextFiles = Record<string, string>;

export type AppKind = 'node' | 'command' | 'static';

/** A tenant of one app, `site`, and how it is asked. */
export interface ChaosTenant {
  name: string;
  host: string;
  kind: AppKind;
  /** Something is done to it. */
  isTouched: boolean;
  /** Answers POST /echo and GET /slow. */
  isLively: boolean;
  hasWebSocket: boolean;
  /** Asked in bursts, with pauses that are longer than its `idle`. */
  isSleepy: boolean;
  /** As in app.yaml; undefined where that has two bounds. */
  workers: number | undefined;
  files: TextFiles;
}

interface Pattern {
  kind: AppKind;
  tenantYaml?: string;
  appYaml?: string;
  source?: (name: string) => TextFiles;
  isLively?: boolean;
  hasWebSocket?: boolean;
  isSleepy?: boolean;
  workers?: number | undefined;
}

const patterns: Readonly<Record<string, Pattern>> = {
  plain: { kind: 'node' },
  fetch: {
    kind: 'node',
    isLively: false,
    source: fetchApp,
    tenantYaml: 'network: { egress: ["10.98.7.6/32:5432", "api.example.test:443"] }\n',
  },
  python: { kind: 'command', isLively: false, source: pythonApp, appYaml: 'kind: command\ncommand: ["python3", "app.py"]\n' },
  pages: { kind: 'static', isLively: false, source: staticApp },
  socket: { kind: 'node', hasWebSocket: true },
  pair: { kind: 'node', workers: 2, appYaml: 'workers: 2\nhealth: { path: /health, intervalMs: 1000 }\n' },
  range: { kind: 'node', workers: undefined, appYaml: 'workers: { min: 1, max: 3 }\n' },
  cron: { kind: 'node', appYaml: 'idle: never\nschedule: [{ name: tick, cron: "* * * * *", path: /tick }]\n' },
  sleepy: { kind: 'node', isSleepy: true, appYaml: 'idle: 2s\n' },
  dozing: { kind: 'command', isLively: false, isSleepy: true, source: pythonApp, appYaml: 'command: ["python3", "app.py"]\nidle: 2s\n' },
};

/** Two of each pattern: one that is left alone, and one that is not. */
export function chaosTenants(): ChaosTenant[] {
  return Object.entries(patterns).flatMap(([pattern, shape]) =>
    [false, true].map((isTouched) => tenantOf(`${pattern}-${isTouched ? 'hit' : 'kept'}`, shape, isTouched)),
  );
}

function tenantOf(name: string, pattern: Pattern, isTouched: boolean): ChaosTenant {
  const { kind, source = nodeApp, tenantYaml = '', appYaml = '', isLively = true, hasWebSocket = false, isSleepy = false } = pattern;
  const host = `${name}.test`;
  return {
    ...{ name, host, kind, isTouched, isLively, hasWebSocket, isSleepy },
    workers: 'workers' in pattern ? pattern.workers : 1,
    files: {
      'tenant.yaml': `domains: [${host}]\ntls: { redirect: false }\n${tenantYaml}`,
      ...inFolder('apps/site', { ...source(name), 'app.yaml': `${appYaml}drain: 5s\n` }),
    },
  };
}

/** The files of a release of it: `version` is in each answer. */
export function releaseFiles(tenant: ChaosTenant, version: string): TextFiles {
  const files = Object.entries(tenant.files)
    .filter(([path]) => path.startsWith('apps/site/'))
    .map(([path, content]): [string, string] => [path.slice('apps/site/'.length), content]);
  const first = `${tenant.name} first`;
  return Object.fromEntries(files.map(([path, content]) => [path, content.replaceAll(first, `${tenant.name} ${version}`)]));
}

/** Fails to start, in one of the ways in which apps do. */
export function badReleaseFiles(way: 'throws' | 'deaf' | 'syntax' | 'yaml'): TextFiles {
  const sources = { throws: `throw new Error('this release is bad');`, deaf: 'setInterval(() => {}, 1e6);', syntax: 'const = ;', yaml: '' };
  return {
    'package.json': '{"main":"app.js"}',
    'app.js': sources[way],
    'app.yaml': way === 'yaml' ? 'workers: many\n' : 'startTimeout: 2s\n',
  };
}

function inFolder(folder: string, files: TextFiles): TextFiles {
  return Object.fromEntries(Object.entries(files).map(([path, content]) => [`${folder}/${path}`, content]));
}

function nodeApp(name: string): TextFiles {
  return { 'package.json': '{"main":"app.js"}', 'app.js': nodeSource.replace('NAME', `${name} first`) };
}

function fetchApp(name: string): TextFiles {
  return {
    'package.json': '{"main":"app.mjs"}',
    'app.mjs': `export default { fetch: () => new Response(${JSON.stringify(`${name} first`)}) };\n`,
  };
}

function staticApp(name: string): TextFiles {
  return { 'index.html': `${name} first` };
}

function pythonApp(name: string): TextFiles {
  return { 'app.py': pythonSource.replace('NAME', `${name} first`) };
}

/** `/fill` and `/clear` are for its own disk. */
const nodeSource = `
const fs = require('node:fs');
const { createHash } = require('node:crypto');
const answer = 'NAME';
const fill = () => {
  const file = fs.openSync('/data/filler', 'a');
  try { for (;;) fs.writeSync(file, Buffer.alloc(1 << 20)); } catch (error) { return error.code; } finally { fs.closeSync(file); }
};
const server = require('node:http').createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://x');
  if (pathname === '/slow') return void setTimeout(() => response.end(answer), Number(searchParams.get('ms')));
  if (pathname === '/fill') return response.end(fill());
  if (pathname === '/clear') return response.end(String(fs.rmSync('/data/filler', { force: true })));
  if (pathname !== '/echo') return response.end(answer);
  const hash = createHash('sha1');
  request.on('data', (chunk) => hash.update(chunk)).on('end', () => response.end(answer + ' ' + hash.digest('hex')));
});
server.on('upgrade', (request, socket) => {
  const accept = createHash('sha1').update(request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nupgrade: websocket\\r\\nconnection: upgrade\\r\\nsec-websocket-accept: ' + accept + '\\r\\n\\r\\n');
  socket.on('error', () => {}).pipe(socket);
});
server.listen(3000);
`;

const pythonSource = `
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        body = b'NAME'
        self.send_response(200)
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

class Server(ThreadingHTTPServer):
    request_queue_size = 128

Server(('127.0.0.1', int(os.environ['PORT'])), Handler).serve_forever()
`;
