const { readFileSync } = require('node:fs');
const http = require('node:http');
const { join } = require('node:path');
const { WebSocket, WebSocketServer } = require('ws');

const page = readFileSync(join(__dirname, 'chat.html'));
const recent = [];
let guests = 0;

const server = http.createServer((request, response) => {
  const path = request.url.split('?')[0];
  if (path === '/') {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page);
  } else if (path === '/whoami') {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(identityOf(request)));
  } else {
    response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('Not found\n');
  }
});

const sockets = new WebSocketServer({ server, path: '/chat', maxPayload: 4096 });

sockets.on('connection', (socket, request) => {
  const name = `guest ${++guests}`;
  socket.on('error', (error) => console.error(`${name}: ${error.message}`));
  socket.on('message', (data) => say({ from: name, text: data.toString() }));
  socket.send(JSON.stringify({ type: 'welcome', name, recent, ...identityOf(request) }));
  console.log(`${name} came in`);
  socket.on('close', () => console.log(`${name} left`));
});

server.listen(process.env.PORT || 3000, () => console.log('The chat is open'));

function say(message) {
  recent.push(message);
  if (recent.length > 20) recent.shift();
  const text = JSON.stringify({ type: 'message', ...message });
  for (const socket of sockets.clients) if (socket.readyState === WebSocket.OPEN) socket.send(text);
}

function identityOf(request) {
  return {
    tenant: request.headers['x-tenantd-tenant'] ?? 'nobody',
    app: request.headers['x-tenantd-app'] ?? 'chat',
    uid: process.getuid(),
    pid: process.pid,
    host: request.headers.host,
    node: process.version,
  };
}
