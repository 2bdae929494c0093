import { homePage, partnerPage } from './page.js';
import { askPartner } from './partner.js';

const domain = 'hooli.localhost';

export default {
  async fetch(request, context) {
    const url = new URL(request.url);
    const identity = identityOf(url.hostname, context);
    if (request.method === 'POST' && url.pathname === '/shout') return shout(request);
    if (url.pathname === '/whoami') return Response.json(identity);
    if (url.pathname === '/') return html(homePage(identity));
    if (url.pathname === '/partner') return html(partnerPage(identity, await askPartner()));
    return new Response('Not found\n', { status: 404 });
  },
};

function identityOf(host, context) {
  return {
    tenant: context.tenant,
    app: context.app,
    uid: process.getuid(),
    pid: process.pid,
    host,
    subdomain: host.endsWith(`.${domain}`) ? host.slice(0, -domain.length - 1) : null,
    node: process.version,
  };
}

/** Answers while the request is still coming in. */
function shout(request) {
  const upperCase = new TransformStream({ transform: (text, controller) => controller.enqueue(text.toUpperCase()) });
  const body = request.body?.pipeThrough(new TextDecoderStream()).pipeThrough(upperCase).pipeThrough(new TextEncoderStream());
  return new Response(body ?? '', { headers: { 'content-type': 'text/plain; charset=utf-8' } });
}

function html(text) {
  return new Response(text, { headers: { 'content-type': 'text/html; charset=utf-8' } });
}
