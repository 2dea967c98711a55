// The HTTP interface as the page uses it: requests, and event streams that can send a key.

export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `HTTP ${status}`);
    this.status = status;
    this.body = body;
  }
}

export class Client {
  constructor(key) {
    this.key = key;
  }

  async request(method, path, { body, headers = {} } = {}) {
    const options = { method, headers: { Authorization: `Bearer ${this.key}`, ...headers }, cache: "no-store" };
    if (body !== undefined) {
      options.body = JSON.stringify(body);
      options.headers["Content-Type"] = "application/json";
    }
    const response = await fetch(path, options);
    let content = {};
    try {
      content = await response.json();
    } catch {
      content = { title: `The gateway answered ${response.status} without JSON.` };
    }
    if (!response.ok) throw new Problem(response.status, content);
    return content;
  }

  async pages(path, name, most = 5000) {
    const items = [];
    for (let next = path; next && items.length < most; ) {
      const page = await this.request("GET", next);
      items.push(...page[name]);
      next = page.next;
    }
    return items;
  }

  // Follow a stream until `stop` is called or it says `end`; reconnects, resumes by Last-Event-ID.
  follow(path, onEvent, onState = () => {}) {
    const stopper = new AbortController();
    const run = async () => {
      let last = "";
      let pause = 500;
      while (!stopper.signal.aborted) {
        try {
          const headers = { Authorization: `Bearer ${this.key}`, Accept: "text/event-stream" };
          if (last) headers["Last-Event-ID"] = last;
          const response = await fetch(path, { headers, signal: stopper.signal, cache: "no-store" });
          if (response.status === 204) return;
          if (!response.ok) {
            if (response.status === 401 || response.status === 404) return onState("refused");
            throw new Error(`status ${response.status}`);
          }
          onState("live");
          pause = 500;
          for await (const event of events(response.body, stopper.signal)) {
            if (event.id) last = event.id;
            onEvent(event.name, event.data);
            if (event.name === "end") return;
          }
        } catch {
          if (stopper.signal.aborted) return;
        }
        if (stopper.signal.aborted) return;
        onState("reconnecting");
        await new Promise((resolve) => setTimeout(resolve, pause));
        pause = Math.min(pause * 2, 10000);
      }
    };
    run();
    return () => stopper.abort();
  }
}

const SILENCE_MS = 30000; // the gateway speaks at least every 10 s

async function* events(body, signal) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (true) {
    let timer;
    const silence = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error("silence")), SILENCE_MS);
    });
    const { value, done } = await Promise.race([reader.read(), silence]).finally(() => clearTimeout(timer));
    if (done || signal.aborted) return;
    text += value;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const event = parse(text.slice(0, end));
      text = text.slice(end + 2);
      if (event) yield event;
    }
  }
}

function parse(block) {
  const event = { id: "", name: "message", data: "" };
  for (const line of block.split("\n")) {
    if (line.startsWith("id: ")) event.id = line.slice(4);
    else if (line.startsWith("event: ")) event.name = line.slice(7);
    else if (line.startsWith("data: ")) event.data += line.slice(6);
  }
  if (!event.data) return null;
  event.data = JSON.parse(event.data);
  return event;
}
