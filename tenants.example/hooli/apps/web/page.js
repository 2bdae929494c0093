const style = `
  :root { color-scheme: light dark; --accent: #4338ca; }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem; }
  h1 { margin-bottom: 0; } .tag { color: var(--accent); margin-top: 0; }
  footer { margin-top: 3rem; font-size: .85rem; opacity: .7; }
`;

export function homePage(identity) {
  const { host, subdomain } = identity;
  const greeting = subdomain ? `You called the subdomain <b>${escapeHtml(subdomain)}</b>.` : 'You called the main domain.';
  return page(
    identity,
    `<p>${greeting}</p>
  <p>The host of this request was <code>${escapeHtml(host)}</code>. Any other name below <code>hooli.localhost</code> comes here too.</p>
  <p><a href="/partner">What our partner sells</a></p>`,
  );
}

/** `products`: of another tenant, asked for while this page is made. */
export function partnerPage(identity, products) {
  const items = products?.map(({ name, cents }) => `<li>${escapeHtml(name)}, $${(cents / 100).toFixed(2)}</li>`).join('');
  return page(identity, `${items ? `<p>Acme sells:</p><ul>${items}</ul>` : '<p>Acme does not let us see what it sells.</p>'}<p><a href="/">Back</a></p>`);
}

function page({ tenant, app, uid }, body) {
  return `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Hooli</title>
  <style>${style}</style>
</head>
<body>
  <h1>Hooli</h1>
  <p class="tag">One handler, any subdomain.</p>
  ${body}
  <footer>Tenant ${escapeHtml(tenant)}, app ${escapeHtml(app)}, uid ${uid}, Node ${process.version}</footer>
</body>
</html>
`;
}

function escapeHtml(text) {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
