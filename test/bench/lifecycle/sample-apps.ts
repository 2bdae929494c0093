import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** One of the benchmark's apps: bare, and as a tenant's. */
export interface SampleApp {
  name: string;
  /** Runs in its folder, listens on 127.0.0.1:$PORT. */
  command: readonly string[];
  appYaml: string;
  /** Makes its folder. */
  write(folder: string): void;
}

const repository = new URL('../../..', import.meta.url).pathname;

const httpSource = `require('node:http').createServer((request, response) => response.end('hello')).listen(process.env.PORT || 3000, '127.0.0.1');\n`;

const fastifySource = `
const app = require('fastify')();
app.get('/', async () => 'hello');
app.get('/users/:id', async (request) => ({ id: request.params.id }));
app.listen({ port: Number(process.env.PORT) || 3000, host: '127.0.0.1' });
`;

/** For wsgiref of Python's own library, and for uWSGI. */
export const wsgiSource = `
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', '5')])
    return [b'hello']
`;

const serveSource = `
import os
import socketserver
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from app import application

# The library's own asks for the name of its address, which may be somebody else's to answer.
class Server(WSGIServer):
    def server_bind(self):
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = 'localhost', self.server_address[1]
        self.setup_environ()

class Handler(WSGIRequestHandler):
    def log_message(self, *args):
        pass

make_server('127.0.0.1', int(os.environ['PORT']), application, server_class=Server, handler_class=Handler).serve_forever()
`;

const nodeYaml = 'kind: node\nentry: app.js\n';
const uwsgi = 'exec uwsgi-core --plugin python3 --http-socket 127.0.0.1:$PORT --wsgi-file app.py --need-app --disable-logging';

export const sampleApps = {
  http: {
    name: 'one-file http',
    command: ['node', 'app.js'],
    appYaml: nodeYaml,
    write: (folder) => writeFileSync(join(folder, 'app.js'), httpSource),
  },
  fastify: {
    name: 'Fastify',
    command: ['node', 'app.js'],
    appYaml: nodeYaml,
    write(folder) {
      writeFileSync(join(folder, 'app.js'), fastifySource);
      copyPackage('fastify', folder, new Set());
    },
  },
  python: {
    name: 'python3, wsgiref',
    command: ['python3', 'serve.py'],
    appYaml: 'kind: command\ncommand: ["python3", "serve.py"]\n',
    write(folder) {
      writeFileSync(join(folder, 'app.py'), wsgiSource);
      writeFileSync(join(folder, 'serve.py'), serveSource);
    },
  },
  uwsgi: {
    name: 'python3, uWSGI',
    command: ['sh', '-c', uwsgi],
    appYaml: `kind: command\ncommand: ${JSON.stringify(['sh', '-c', uwsgi])}\n`,
    write: (folder) => writeFileSync(join(folder, 'app.py'), wsgiSource),
  },
} as const satisfies Record<string, SampleApp>;

export type SampleAppName = keyof typeof sampleApps;

export function writeSampleApp(app: SampleApp, folder: string): void {
  mkdirSync(folder, { recursive: true });
  app.write(folder);
}

/** With what it depends on, flat, as npm puts it. */
function copyPackage(name: string, folder: string, copied: Set<string>): void {
  const source = join(repository, 'node_modules', name);
  if (copied.has(name) || !existsSync(source)) return;
  copied.add(name);
  cpSync(source, join(folder, 'node_modules', name), { recursive: true });
  const manifest = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8')) as { dependencies?: Record<string, string> };
  for (const dependency of Object.keys(manifest.dependencies ?? {})) copyPackage(dependency, folder, copied);
}
