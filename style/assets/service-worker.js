// What still works without a line: pages and answers of the server that this session has seen.
//
// Owner of the caches
//   shenton-bundle    programs and styles; nothing of a patient
//   shenton-pages     the worklist and the studies opened in this session, and who opened them
//   shenton-pictures  written by the viewer; removed here
// All but the first go when a reader signs out, when one signs in, when another account appears, and when the server
// has not confirmed the session for half a day.
'use strict';

const BUNDLE = 'shenton-bundle';
const PAGES = 'shenton-pages';
const PICTURES = 'shenton-pictures';
const SESSION = '/kept/session';
const CONFIRMED = '/kept/confirmed';
const LONGEST = 12 * 3600 * 1000;
// The server's word is written down no more often than this.
const MINUTE = 60 * 1000;
// What pages ask without changing anything.
const QUESTIONS = new Set(['study', 'worklist', 'worklist_again', 'session', 'sites']);

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== self.location.origin) return;
  if (request.mode === 'navigate') {
    const leaves = request.method === 'POST' && ['/sign-in', '/sign-out'].includes(url.pathname);
    if (leaves) event.respondWith(forget().then(() => fetch(request)).catch(nothing));
    else if (request.method === 'GET') event.respondWith(page(request, url));
    // The page that was left may have kept one more picture on its way out.
    if (leaves || url.pathname === '/sign-in') event.waitUntil(later().then(forget));
  } else if (request.method === 'GET' && url.pathname.startsWith('/pkg/')) {
    event.respondWith(bundle(request));
  } else if (request.method === 'POST' && url.pathname.startsWith('/api/') && QUESTIONS.has(url.pathname.slice(5))) {
    event.respondWith(question(request, url));
  }
});

self.addEventListener('message', (event) => {
  const { kind, name, url } = event.data ?? {};
  if (kind === 'account') {
    event.waitUntil(account(name));
    // A page that was kept does not know yet that there is no line.
    if (said) event.source?.postMessage(said);
  }
  if (kind === 'page') event.waitUntil(keepPage(url));
});

/** A page from the server, or as it was. */
async function page(request, url) {
  try {
    const response = await fetch(request);
    if (response.status >= 502 && response.status <= 504) throw new Error('the proxy has lost the server');
    if (url.pathname === '/sign-in') await forget();
    else if (response.ok && isKept(url)) {
      await put(PAGES, url.pathname + url.search, response.clone());
      await confirm();
    }
    say('online');
    return response;
  } catch {
    say('offline');
    if (await isOver()) {
      await forget();
      return nothing();
    }
    const cache = await caches.open(PAGES);
    const same = await cache.match(url.pathname + url.search);
    if (same) return same;
    // The same study or list in another order: go where it is kept, so that the address says what the page shows.
    const keys = await cache.keys();
    const near = keys.map((key) => new URL(key.url)).find((key) => key.pathname === url.pathname);
    return near ? Response.redirect(near.href) : nothing();
  }
}

function isKept(url) {
  return url.pathname === '/' || url.pathname.startsWith('/study/');
}

/** A page that was opened without asking the server for it as a page: so that it can be loaded again. */
async function keepPage(address) {
  const url = new URL(address, self.location.href);
  if (url.origin !== self.location.origin || !isKept(url)) return;
  const cache = await caches.open(PAGES);
  const key = url.pathname + url.search;
  if (await cache.match(key)) return;
  try {
    const response = await fetch(url, { headers: { accept: 'text/html' }, credentials: 'same-origin' });
    if (response.ok && !response.redirected) await cache.put(key, response);
  } catch {
    // Without a line there is nothing to keep.
  }
}

/** Part of the programs: from the server, which says quickly where nothing changed. */
async function bundle(request) {
  try {
    const response = await fetch(request);
    if (response.ok) {
      const cache = await caches.open(BUNDLE);
      const known = await cache.match(request);
      const stamp = (of) => of?.headers.get('last-modified');
      if (!known || stamp(known) !== stamp(response)) await cache.put(request, response.clone());
    }
    return response;
  } catch (error) {
    const cache = await caches.open(BUNDLE);
    const known = await cache.match(request);
    if (known) return known;
    throw error;
  }
}

/** What the server says, or what it said last to the same question. */
async function question(request, url) {
  const body = await request.clone().arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', body));
  // The same question, asked again by the page itself.
  const name = url.pathname.replace(/_again$/, '');
  const key = `/kept${name}?${Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
  try {
    const response = await fetch(request);
    if (response.status >= 502 && response.status <= 504) throw new Error('the proxy has lost the server');
    if (response.ok) {
      await put(PAGES, key, response.clone());
      // Who is signed in is asked and answered without a session too.
      if (name !== '/api/session') await confirm();
    }
    say('online');
    return response;
  } catch (error) {
    say('offline');
    const cache = await caches.open(PAGES);
    const known = (await isOver()) ? undefined : await cache.match(key);
    if (known) return known;
    throw error;
  }
}

/** A full disk costs the copy, nothing else. */
async function put(name, key, response) {
  try {
    const cache = await caches.open(name);
    await cache.put(key, response);
  } catch {
    // Kept by the network alone.
  }
}

function later() {
  return new Promise((done) => setTimeout(done, 1500));
}

async function forget() {
  await Promise.all([PAGES, PICTURES].map((name) => caches.delete(name)));
}

/** A page says who is signed in. It may be one that was kept, so this is no word of the server. */
async function account(name) {
  const known = await kept(SESSION);
  if (known && known.name !== name) await forget();
  await put(PAGES, SESSION, Response.json({ name }));
  // The first page comes before there is anything to write down.
  if (!(await kept(CONFIRMED))) await confirm();
}

/** The server has just answered as it answers this session alone. */
async function confirm() {
  const known = await kept(CONFIRMED);
  if (!known || Date.now() - known.at > MINUTE) await put(PAGES, CONFIRMED, Response.json({ at: Date.now() }));
}

async function kept(key) {
  const cache = await caches.open(PAGES);
  const found = await cache.match(key);
  return found?.json();
}

async function isOver() {
  const [known, confirmed] = [await kept(SESSION), await kept(CONFIRMED)];
  return !known || !confirmed || Date.now() - confirmed.at > LONGEST;
}

let said = '';
async function say(line) {
  if (line === said && line === 'online') return;
  said = line;
  for (const client of await self.clients.matchAll({ includeUncontrolled: true })) client.postMessage(line);
}

function nothing() {
  const text = `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>No connection · Shenton</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/pkg/shenton.css"></head>
<body><main id="main"><section class="note error"><h1>No connection</h1>
<p>The server cannot be reached, and this page was not opened in this session. Studies that were opened still work.</p>
<p><a href="/">Worklist</a></p></section></main></body></html>`;
  return new Response(text, {
    status: 503,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'",
    },
  });
}
