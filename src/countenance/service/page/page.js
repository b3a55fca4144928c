// The page: three forms, the camera's stage, and what came of it. One panel is shown at a time, and has the focus.

import { cameras, closeCamera, jpeg, openCamera, picture, still } from "./camera.js";
import { begin, conclude, enrol, forget, secondsLeft, show } from "./service.js";
import { KEY, STAGE, VIEWS, explain } from "./words.js";

const PHOTOGRAPHS = 3;
const PHOTOGRAPH_QUALITY = 0.92;
const HOLD_MILLISECONDS = 700; // that advice stays in sight
const QUIET_MILLISECONDS = 3000; // between two pieces of advice that are read out
const HURRY_SECONDS = 10;

const $ = (id) => document.getElementById(id);
const video = $("camera");
const PANELS = ["sign-in-form", "enrol-form", "delete-form", "stage", "outcome", "key-form", "wait"];

let key = ""; // of an operator, as long as the page lives
let current = new AbortController(); // of what goes on now

// Panels and focus

const panel = (name, focus) => {
  for (const each of PANELS) $(each).hidden = each !== name;
  focus?.focus();
};

const PARTS = ["view", "standing", "photographs", "ready", "take", "send", "afresh"];
const shown = (...ids) => PARTS.forEach((id) => ($(id).hidden = !ids.includes(id)));

const view = () => (location.hash.slice(1) in VIEWS ? location.hash.slice(1) : "sign-in");

const leave = () => {
  current.abort(Object.assign(new Error("left"), { left: true }));
  closeCamera(video);
  hush();
};

const arrive = (focus) => {
  leave();
  $("title").textContent = VIEWS[view()];
  document.title = `${$(`to-${view()}`).textContent} | Countenance`;
  for (const name of Object.keys(VIEWS)) {
    if (name === view()) $(`to-${name}`).setAttribute("aria-current", "page");
    else $(`to-${name}`).removeAttribute("aria-current");
  }
  panel(`${view()}-form`, focus);
};

const pressed = (signal, ...ids) =>
  new Promise((done, fail) => {
    const over = new AbortController();
    const options = { once: true, signal: over.signal };
    for (const id of ids) $(id).addEventListener("click", () => (over.abort(), done(id)), options);
    signal.addEventListener("abort", () => (over.abort(), fail(signal.reason)), options);
  });

// Words that are read out: the newest advice now and then, prompts and results at once.

const murmurs = { said: "", next: "", at: -QUIET_MILLISECONDS, timer: 0 }; // nothing was said when the page came

const aloud = (region, text) => {
  $(region).textContent = "";
  setTimeout(() => ($(region).textContent = text), 40); // the same words again are a change too
};

const murmur = (text) => {
  murmurs.next = text;
  if (murmurs.timer) return;
  const wait = Math.max(400, murmurs.at + QUIET_MILLISECONDS - performance.now());
  murmurs.timer = setTimeout(() => {
    murmurs.timer = 0;
    if (!murmurs.next || murmurs.next === murmurs.said) return;
    murmurs.said = murmurs.next;
    murmurs.at = performance.now();
    aloud("polite", murmurs.said);
  }, wait);
};

const hush = () => {
  clearTimeout(murmurs.timer);
  Object.assign(murmurs, { said: "", next: "", timer: 0 });
};

// What stands on the stage

let heldUntil = 0;

const advise = (texts) => {
  const now = performance.now();
  if (texts.length) heldUntil = now + HOLD_MILLISECONDS;
  else if (now < heldUntil) return;
  $("view").dataset.state = texts.length ? "advice" : "good";
  const text = texts.join("\n") || STAGE.seen;
  if ($("advice").textContent === text) return;
  $("advice").textContent = text;
  murmur(texts.join(" "));
};

const ask = (words, action) => {
  $("view").dataset.action = action ?? "";
  if ($("prompt").textContent === words) return;
  $("prompt").textContent = words;
  aloud("assertive", words);
};

const count = (step, steps) => {
  $("steps").max = steps;
  $("steps").value = step;
  $("step").textContent = `Step ${Math.min(step + 1, steps)} of ${steps}`;
};

const setStage = (words, hint) => {
  heldUntil = 0;
  hush();
  $("view").dataset.state = "waiting";
  $("view").dataset.action = "";
  $("prompt").textContent = words;
  $("advice").textContent = hint;
};

const fit = () => {
  if (video.videoWidth) $("view").style.setProperty("--ratio", String(video.videoWidth / video.videoHeight));
};

const offerCameras = async (signal) => {
  const found = await cameras();
  const used = video.srcObject?.getVideoTracks()[0]?.getSettings().deviceId;
  $("camera-choice").replaceChildren(
    ...found.map(({ deviceId: id, label }, at) => new Option(label || `Camera ${at + 1}`, id, false, id === used)),
  );
  $("cameras").hidden = found.length < 2 || signal.aborted;
};

const chosen = () => $("camera-choice").value; // "" before a camera was opened

// Shows the camera, and leaves the focus on the button that goes on.
const stand = async (words, hint, buttons, signal) => {
  panel("wait", $("wait-text"));
  $("wait-text").textContent = "Waiting for the camera. If your browser asks, please choose “Allow”.";
  await openCamera(video, chosen(), signal);
  await offerCameras(signal);
  signal.throwIfAborted();
  setStage(words, hint);
  shown(...buttons);
  panel("stage", $(buttons[0]));
};

const waits = () => {
  if ($("wait").hidden) $("advice").textContent = STAGE.starting;
  $("wait-text").textContent = STAGE.starting;
  murmur(STAGE.starting);
};

const sending = () => {
  $("wait-text").textContent = STAGE.sending;
  panel("wait", $("wait-text"));
};

// Asks for a key after a refusal.
const askKey = async (error, signal) => {
  closeCamera(video);
  $("key-text").textContent = error.status === 403 ? KEY.other : key ? KEY.wrong : KEY.none;
  $("key").value = "";
  panel("key-form", $("key-title"));
  await new Promise((done, fail) => {
    const over = new AbortController();
    const typed = (event) => {
      event.preventDefault();
      over.abort();
      done();
    };
    $("key-form").addEventListener("submit", typed, { signal: over.signal });
    signal.addEventListener("abort", () => (over.abort(), fail(signal.reason)), { once: true, signal: over.signal });
  });
  key = $("key").value.trim();
  $("key").value = "";
};

const needsKey = ({ status }) => status === 401 || status === 403;

const withKey = async (call, signal) => {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!needsKey(error)) throw error;
      await askKey(error, signal);
      sending();
    }
  }
};

// Does something until it is left, and says what came of it.
const run = async (doing, flow) => {
  leave();
  current = new AbortController();
  const { signal } = current;
  for (;;) {
    let told;
    try {
      told = await flow(signal);
      signal.throwIfAborted();
    } catch (error) {
      if (signal.aborted) return;
      if (!error.status && !error.lost && !error.camera) console.error(error);
      told = { kind: "trouble", again: "Try again", ...explain(error, doing) };
    }
    closeCamera(video);
    hush();
    try {
      await outcome(told, signal);
    } catch {
      return;
    }
  }
};

// Shows what came of it; returns when it is to be tried again.
const outcome = async ({ kind, title, text, hints = [], number = "", again, back, next }, signal) => {
  $("outcome").dataset.kind = kind;
  $("outcome-title").textContent = title;
  $("outcome-text").textContent = text;
  $("outcome-hints").replaceChildren(
    ...hints.map((hint) => Object.assign(document.createElement("li"), { textContent: hint })),
  );
  $("outcome-number").textContent = number;
  $("again").hidden = !again;
  $("again").textContent = again ?? "";
  $("back").textContent = back ?? "Back to the start";
  panel("outcome", again ? $("again") : $("back"));
  aloud("assertive", [`${title}.`, text, ...hints].join(" "));
  if ((await pressed(signal, "again", "back")) === "again") return;
  if (next) next();
  else arrive($("title"));
  throw signal.reason ?? new Error("left");
};

// Sign in

const signIn = (subject, without) =>
  run("begin", async (signal) => {
    let session;
    while (!session) {
      await stand(STAGE.ready, STAGE.readyHint, ["ready", "view"], signal);
      await pressed(signal, "ready");
      try {
        session = await begin(subject, without, key, { waits, signal });
      } catch (error) {
        if (!needsKey(error)) throw error;
        await askKey(error, signal);
      }
    }
    const clock = runClock(session);
    try {
      await perform(session, signal);
    } finally {
      clearInterval(clock);
    }
    sending();
    closeCamera(video);
    const { accepted, advice } = await conclude(session, { waits, signal });
    return accepted
      ? { kind: "accepted", title: "Accepted", text: `Welcome, ${subject}.` }
      : { kind: "refused", title: "Not accepted", text: "", hints: advice.map(({ text }) => text), again: "Try again" };
  });

const perform = (session, signal) => {
  setStage(session.prompt ?? STAGE.ready, "");
  shown("view", "standing");
  count(0, session.steps);
  $("prompt").focus();
  return show(session, () => picture(video), {
    signal,
    seen: ({ prompt, action, advice, step, steps, done }) => {
      count(step, steps);
      ask(prompt, action);
      advise(done ? [] : advice.map(({ text }) => text));
    },
    lost: () => advise([STAGE.lost]),
  });
};

const runClock = (session) => {
  let hurried = false;
  const tick = () => {
    const seconds = Math.floor(secondsLeft(session));
    $("left").textContent = `${seconds} s left`;
    if (seconds <= HURRY_SECONDS && !hurried) {
      hurried = true;
      aloud("polite", STAGE.hurry);
    }
  };
  tick();
  return setInterval(tick, 250);
};

// Enrol

const takePhotographs = async (signal) => {
  for (;;) {
    $("photographs").replaceChildren();
    $("take").textContent = `Take photograph 1 of ${PHOTOGRAPHS}`;
    await stand(STAGE.photograph, STAGE.photographHint, ["take", "view", "photographs"], signal);
    const taken = [];
    while (taken.length < PHOTOGRAPHS) {
      await pressed(signal, "take");
      const canvas = still(video);
      taken.push(await jpeg(canvas, PHOTOGRAPH_QUALITY));
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `Photograph ${taken.length}`);
      const item = document.createElement("li");
      item.append(canvas);
      $("photographs").append(item);
      $("take").textContent = `Take photograph ${Math.min(taken.length + 1, PHOTOGRAPHS)} of ${PHOTOGRAPHS}`;
      aloud("polite", `Photograph ${taken.length} of ${PHOTOGRAPHS} is taken.`);
    }
    closeCamera(video);
    setStage(STAGE.photographsTaken, "");
    $("cameras").hidden = true;
    shown("photographs", "send", "afresh");
    $("send").focus();
    if ((await pressed(signal, "send", "afresh")) === "send") return taken;
  }
};

const enrolSomebody = (subject, consent) => {
  let photographs = null;
  let again = false;
  return run("enrol", async (signal) => {
    photographs ??= await takePhotographs(signal);
    closeCamera(video);
    sending();
    let said;
    try {
      said = await withKey(() => enrol(subject, photographs, { consent, again, key, waits, signal }), signal);
    } catch (error) {
      if (error.status === 409 && !again) {
        again = true;
        return {
          kind: "trouble",
          title: "This name is taken",
          text: "Somebody is enrolled under it. If that is you, the new photographs can replace the old ones.",
          again: "Replace the old ones",
          back: "Choose another name",
        };
      }
      if (!error.lost && error.status !== 503) photographs = null;
      throw error;
    }
    $("photographs").replaceChildren();
    photographs = null;
    if (!said.accepted) {
      const hints = said.advice.map(({ text }) => text);
      const title = "Not enrolled";
      return { kind: "refused", title, text: "Nothing was kept.", hints, again: "Take new photographs" };
    }
    const next = () => {
      $("subject").value = subject;
      location.hash = "#sign-in";
    };
    const text = `You can sign in as ${subject} now.`;
    return { kind: "accepted", title: "You are enrolled", text, back: "Sign in", next };
  });
};

// Delete

const confirmed = (subject) =>
  new Promise((done) => {
    const over = new AbortController();
    const end = (answer) => {
      over.abort();
      $("confirm").close();
      done(answer);
    };
    $("confirm-text").textContent = `All that is kept about ${subject} will be gone, and cannot be brought back.`;
    $("keep").addEventListener("click", () => end(false), { signal: over.signal });
    $("sure").addEventListener("click", () => end(true), { signal: over.signal });
    $("confirm").addEventListener("cancel", () => end(false), { signal: over.signal });
    $("confirm").showModal();
    $("keep").focus();
  });

const deleteSomebody = async (subject) => {
  if (!(await confirmed(subject))) return;
  await run("delete", async (signal) => {
    sending();
    await withKey(() => forget(subject, { key, signal }), signal);
    return { kind: "accepted", title: "Deleted", text: `Nothing is kept about ${subject} any more.` };
  });
};

// What is pressed and sent

const submitted = (form, call) =>
  $(form).addEventListener("submit", (event) => {
    event.preventDefault();
    call();
  });

submitted("sign-in-form", () => {
  const ticked = [...document.querySelectorAll('#sign-in-form input[name="without"]:checked')];
  signIn($("subject").value.trim(), ticked.flatMap(({ value }) => value.split(" ")));
});
submitted("enrol-form", () => {
  const text = $("consent-text").textContent.replace(/\s+/g, " ");
  const consent = { text, agreed: $("consent").checked, at: new Date().toISOString() };
  enrolSomebody($("new-subject").value.trim(), consent);
});
submitted("delete-form", () => deleteSomebody($("old-subject").value.trim()));
for (const id of ["stop", "no-key"]) $(id).addEventListener("click", () => arrive($("title")));
$("stage").addEventListener("keydown", ({ key: pressedKey }) => pressedKey === "Escape" && arrive($("title")));
$("camera-choice").addEventListener("change", async () => {
  const { signal } = current;
  try {
    await openCamera(video, $("camera-choice").value, signal);
  } catch (error) {
    if (!signal.aborted) $("advice").textContent = explain(error, "").text;
  }
});
video.addEventListener("resize", fit);
video.addEventListener("loadedmetadata", fit);
window.addEventListener("hashchange", () => arrive($("title")));
$("host").textContent = location.host;
arrive();
