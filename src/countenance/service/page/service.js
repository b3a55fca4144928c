// What the page asks of the service. A picture leaves only when the one before it was answered: nothing queues here.

// The service takes 12 a second; a policy with a network of clips needs 10.
const FRAME_MILLISECONDS = 85;
const BUSY_MILLISECONDS = 200;
const AGAIN_MILLISECONDS = 1000;
const OPEN_MILLISECONDS = 5000;
const ANSWER_MILLISECONDS = 15000;
const PATIENCE_MILLISECONDS = 60000;
const SPARE_MILLISECONDS = 700; // before the end of a session, in which its result is still asked for

export class Refused extends Error {
  constructor(status, said, wait = 0) {
    super(said.came ?? String(status));
    Object.assign(this, { status, said, wait });
  }
}

export class Lost extends Error {
  lost = true;
}

const pause = (milliseconds, signal) =>
  new Promise((done, fail) => {
    const stopped = () => (clearTimeout(timer), fail(signal.reason));
    const timer = setTimeout(() => (signal.removeEventListener("abort", stopped), done()), milliseconds);
    if (signal.aborted) stopped();
    signal.addEventListener("abort", stopped, { once: true });
  });

// Returns [what was said, the answer]; `bearer` is a key, the token of a session, or nothing.
const ask = async (method, path, { bearer, json, body, headers = {}, signal }) => {
  const sent = { ...headers };
  if (bearer) sent.authorization = `Bearer ${bearer}`;
  if (json !== undefined) sent["content-type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: sent,
      body: json === undefined ? body : JSON.stringify(json),
      signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MILLISECONDS)]),
    });
  } catch {
    throw signal.aborted ? signal.reason : new Lost();
  }
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, said, Number(answer.headers.get("retry-after")) || 0);
  return [said, answer];
};

// Asks again while the service has no room, for a minute at most.
const patiently = async (call, waits, signal) => {
  const enough = performance.now() + PATIENCE_MILLISECONDS;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (error.status !== 503 || performance.now() > enough) throw error;
      waits();
      await pause(1000 * Math.min(10, Math.max(1, error.wait)), signal);
    }
  }
};

export const begin = async (subject, without, key, { waits, signal }) => {
  const options = { bearer: key, json: { subject, without }, signal };
  const [said, answer] = await patiently(() => ask("POST", "/v1/sessions", options), waits, signal);
  // The clock of this device may be wrong; that of the service is told in whole seconds, rounded down.
  const there = Date.parse(answer.headers.get("date") ?? "");
  const now = Number.isNaN(there) ? Date.now() : there + 1000;
  return { ...said, ends: performance.now() + 1000 * said.expires_at - now };
};

export const secondsLeft = (session) => Math.max(0, (session.ends - performance.now()) / 1000);

// Sends pictures until the session is done or its time is nearly over.
export const show = async (session, picture, { seen, lost, signal }) => {
  const ends = session.ends - SPARE_MILLISECONDS;
  const over = () => performance.now() >= ends;
  let streams = true;
  while (!over()) {
    try {
      return await (streams ? bySocket : byRequests)(session, picture, { seen, ends, over, signal });
    } catch (error) {
      // Its time is over there, whatever the clock says here: the token takes no more frames, but asks for the result.
      if (error.status === 410 || error.status === 401) return;
      if (!error.lost) throw error;
      if (error.unopened) streams = !streams; // something on the way lets no stream through
      else lost();
      await pause(error.unopened ? 0 : AGAIN_MILLISECONDS, signal);
    }
  }
};

const bySocket = (session, picture, { seen, ends, signal }) =>
  new Promise((done, fail) => {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/v1/sessions/${session.session}/stream`);
    const timers = new Set();
    let last = 0;
    let answers = 0;
    let silence;
    const after = (milliseconds, call) => {
      const timer = setTimeout(call, Math.max(0, milliseconds));
      timers.add(timer);
      return timer;
    };
    const end = (settle, value) => {
      timers.forEach(clearTimeout);
      signal.removeEventListener("abort", stopped);
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
      settle(value);
    };
    const stopped = () => end(fail, signal.reason);
    const gone = () => end(fail, Object.assign(new Lost(), { unopened: !answers }));
    const listen = (milliseconds) => {
      clearTimeout(silence);
      silence = after(milliseconds, gone);
    };
    const send = async () => {
      try {
        const taken = await picture();
        if (socket.readyState !== WebSocket.OPEN) return;
        last = performance.now();
        socket.send(taken);
        listen(ANSWER_MILLISECONDS);
      } catch (error) {
        end(fail, error);
      }
    };
    const hear = {
      ready: () => after(0, send),
      busy: () => after(BUSY_MILLISECONDS, send),
      seen: (said) => {
        seen(said);
        if (said.done) end(done);
        else after(last + FRAME_MILLISECONDS - performance.now(), send);
      },
      refused: (said) => end(fail, new Refused(said.status, said)),
    };
    if (signal.aborted) {
      stopped();
      return;
    }
    signal.addEventListener("abort", stopped, { once: true });
    after(ends - performance.now(), () => end(done));
    listen(OPEN_MILLISECONDS);
    socket.onopen = () => socket.send(JSON.stringify({ nonce: session.nonce, token: session.token }));
    socket.onmessage = ({ data }) => {
      const said = JSON.parse(data);
      answers += 1;
      listen(ANSWER_MILLISECONDS);
      hear[said.kind]?.(said);
    };
    socket.onclose = gone;
  });

const byRequests = async (session, picture, { seen, over, signal }) => {
  const path = `/v1/sessions/${session.session}`;
  const bearer = session.token;
  let [{ next_sequence: next }] = await ask("GET", path, { bearer, signal });
  while (!over()) {
    const began = performance.now();
    const headers = { "content-type": "image/jpeg", "x-nonce": session.nonce, "x-sequence": String(next) };
    try {
      const [said] = await ask("POST", `${path}/frames`, { bearer, body: await picture(), headers, signal });
      next = said.next_sequence;
      seen(said);
      if (said.done) return;
    } catch (error) {
      if (error.status !== 429 && error.status !== 503) throw error;
      await pause(BUSY_MILLISECONDS, signal);
    }
    await pause(Math.max(0, began + FRAME_MILLISECONDS - performance.now()), signal);
  }
};

export const conclude = async (session, { waits, signal }) => {
  const path = `/v1/sessions/${session.session}/result`;
  const options = { bearer: session.token, signal };
  try {
    return (await patiently(() => ask("POST", path, options), waits, signal))[0];
  } catch (error) {
    // The token asks for the result a little longer than the session lasts: whoever comes later than both is told so,
    // and not asked for a key.
    if (error.status === 401) throw new Refused(410, { ...error.said, reason: "too_late" });
    if (!error.lost) throw error;
  }
  await pause(AGAIN_MILLISECONDS, signal);
  try {
    return (await ask("POST", path, options))[0];
  } catch (error) {
    if (error.said?.reason !== "used_before") throw error;
    return (await ask("GET", path, options))[0]; // it was concluded, and only the answer was lost
  }
};

export const enrol = async (subject, photographs, { consent, again, key, waits, signal }) => {
  const body = new FormData();
  body.append("subject", subject);
  body.append("consent", JSON.stringify(consent));
  if (again) body.append("again", "yes");
  photographs.forEach((photograph, at) => body.append("photograph", photograph, `${at + 1}.jpg`));
  return (await patiently(() => ask("POST", "/v1/enrolments", { bearer: key, body, signal }), waits, signal))[0];
};

export const forget = async (subject, { key, signal }) => {
  const path = `/v1/enrolments/${encodeURIComponent(subject)}`;
  return (await ask("DELETE", path, { bearer: key, signal }))[0];
};
