import express from 'express';
import { aboutPage, notFoundPage, shopPage } from './pages.js';

const app = express();
app.disable('x-powered-by');

app.get('/', (request, response) => {
  response.send(shopPage(identityOf(request)));
});

app.get('/about', (request, response) => {
  response.send(aboutPage(identityOf(request)));
});

app.get('/whoami', (request, response) => {
  response.json(identityOf(request));
});

app.use((request, response) => {
  response.status(404).send(notFoundPage(request.path));
});

app.listen(3000, () => {
  console.log('The shop front listens on port 3000');
});

function identityOf(request) {
  return {
    tenant: request.get('x-tenantd-tenant') ?? 'nobody',
    app: request.get('x-tenantd-app') ?? 'site',
    uid: process.getuid(),
    pid: process.pid,
    host: request.get('host'),
    node: process.version,
  };
}
