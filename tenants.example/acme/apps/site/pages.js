const style = `
  :root { color-scheme: light dark; --accent: #c2410c; }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 3rem auto; padding: 0 1rem; }
  h1 { margin-bottom: 0; } .tag { color: var(--accent); margin-top: 0; }
  ul.products { list-style: none; padding: 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: 1rem; }
  ul.products li { border: 1px solid #8884; border-radius: .6rem; padding: 1rem; }
  button { background: var(--accent); color: white; border: 0; border-radius: .4rem; padding: .4rem .8rem; cursor: pointer; }
  footer { margin-top: 3rem; font-size: .85rem; opacity: .7; }
`;

export function shopPage(identity) {
  return page(
    'Acme Corporation',
    `<p class="tag">Quality is our only accident.</p>
    <ul class="products" id="products"><li>Loading the products&hellip;</li></ul>
    <p id="answer" role="status"></p>
    <script type="module">${shopScript}</script>
    ${footer(identity)}`,
  );
}

export function aboutPage(identity) {
  return page(
    'About Acme',
    `<p>This page comes from the app <b>site</b>, written with Express. Prices and orders come from another app, <b>api</b>,
    written with Fastify. The two have users and sandboxes of their own.</p>
    <p><a href="/">Back to the shop</a></p>
    ${footer(identity)}`,
  );
}

export function notFoundPage(path) {
  return page('Not here', `<p>There is nothing at <code>${escapeHtml(path)}</code>. <a href="/">Back to the shop</a></p>`);
}

const shopScript = `
  const list = document.querySelector('#products');
  const answer = document.querySelector('#answer');
  const { products } = await (await fetch('/api/products')).json();
  list.replaceChildren(...products.map((product) => {
    const item = document.createElement('li');
    const name = document.createElement('h3');
    name.textContent = product.name;
    const price = document.createElement('p');
    price.textContent = '$' + (product.cents / 100).toFixed(2);
    const button = document.createElement('button');
    button.textContent = 'Order one';
    button.onclick = () => order(product.id);
    item.append(name, price, button);
    return item;
  }));
  async function order(product) {
    const response = await fetch('/api/orders', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ product, quantity: 1 }),
    });
    const { id, message } = await response.json();
    answer.textContent = response.ok ? 'Order ' + id + ' is on its way.' : message;
  }
`;

function page(title, body) {
  return `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>${title}</title>
  <style>${style}</style>
</head>
<body>
  <h1>${title}</h1>
  ${body}
</body>
</html>
`;
}

function footer({ tenant, app, uid }) {
  return `<footer>Tenant ${escapeHtml(tenant)}, app ${escapeHtml(app)}, uid ${uid}, Node ${process.version}</footer>`;
}

function escapeHtml(text) {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
