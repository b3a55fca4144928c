// What the page says by itself. What a picture or an answer lacked is said in the service's own sentences.

export const VIEWS = {
  "sign-in": "Sign in with your face",
  enrol: "Enrol your face",
  delete: "Delete an enrolment",
};

export const STAGE = {
  ready: "Put your face in the oval",
  readyHint: "Good light on your face helps. Press “I am ready”, and then follow the words above the picture.",
  photograph: "Look at the camera with a calm face",
  photographHint: "Your whole face should be in the oval, alone, in even light. Move a little between the photographs.",
  photographsTaken: "Are you content with these?",
  seen: "Your face is seen well.",
  lost: "The connection was lost. We are trying to get it back; please stay before the camera.",
  hurry: "Ten seconds are left.",
  starting: "The service is busy, or still starting. We try again by ourselves; you need not do anything.",
  sending: "One moment, we are looking at it …",
};

export const KEY = {
  none: "On this service only its own people can do that. If you are one of them, type an access key.",
  wrong: "This key was not accepted. See that it is typed in full.",
  other: "This key is not for that. An operator’s key is needed.",
};

const NUMBER = "If you ask for help, this number tells the people who run this service what happened:";

// By why there is no picture.
export const CAMERA = {
  missing: {
    title: "No camera was found",
    text: "This device has no camera that the browser can use, or it is switched off.",
    hints: [
      "Plug a camera in, or open the cover or the switch of the one that is built in.",
      "Or open this page on a phone or a computer that has a camera.",
    ],
  },
  dismissed: {
    title: "The camera was not allowed",
    text: "Without the camera your face cannot be seen. Nothing was sent.",
    hints: ["Press “Try again”, and choose “Allow” when the browser asks."],
  },
  blocked: {
    title: "The camera is blocked for this page",
    text: "Your browser remembers that this page may not use the camera, and does not ask again. Nothing was sent.",
    hints: [
      "Press the sign beside the address of this page (a lock, a camera, or two sliders).",
      "Set “Camera” to “Allow”, and then press “Try again”, or load the page anew.",
    ],
  },
  system: {
    title: "The device does not give the camera to the browser",
    text: "You allowed it here, but the settings of the device do not. Nothing was sent.",
    hints: [
      "Open the settings of the device, then privacy, then camera, and switch the browser on.",
      "Close the browser, open it again, and come back to this page.",
    ],
  },
  busy: {
    title: "The camera is in use",
    text: "Another program seems to be using it, or it did not start.",
    hints: [
      "Close other programs and tabs that show the camera, such as a video call.",
      "If that does not help, unplug the camera and plug it in again, or start the device anew.",
    ],
  },
  insecure: {
    title: "The camera cannot be used at this address",
    text: "Browsers give the camera only to pages with https:// in their address, or of this very machine.",
    hints: ["Ask the people who run this service for its address with https://."],
  },
  stopped: {
    title: "The camera stopped",
    text: "Its picture ended before we were done.",
    hints: ["See that it is still plugged in and that nothing else took it, and press “Try again”."],
  },
};

const LOST = {
  title: "The connection was lost",
  text: "This page cannot reach the service.",
  hints: ["See that the device is online, and press “Try again”."],
};

// Of a refusal, by the gate's word for it.
const REASONS = {
  locked: (wait) => ({
    title: "Too many failures",
    text: `For safety, nobody can sign in under this name for a while. Please wait ${minutes(wait)}, or ask for help.`,
    hints: [],
  }),
  too_late: () => ({
    title: "The time is over",
    text: "This attempt took too long. You can begin again at once.",
    hints: [],
  }),
  no_face: () => ({
    title: "No face was seen",
    text: "On one of the photographs no face can be seen. Please take new ones, with your whole face in the oval.",
    hints: [],
  }),
  many_faces: () => ({
    title: "More than one face was seen",
    text: "On one of the photographs there is somebody else too, or a picture of a face. Please take new ones, alone "
      + "before the camera.",
    hints: [],
  }),
  used_before: () => ({
    title: "This attempt has ended already",
    text: "Each attempt counts once. You can begin again at once.",
    hints: [],
  }),
};

// Of a refusal without such a word, by what was asked for and by its number in HTTP.
const STATUSES = {
  "begin 404": "Nobody is enrolled under this name. See that it is written as when you enrolled, or enrol first.",
  "begin 422": "There is not enough left that we could ask you to do. Please ask the people who run this service for "
    + "another way to sign in.",
  "enrol 413": "The photographs are too large for this service.",
  "enrol 422": "A photograph, or the name, cannot be used. Each photograph must show your face, alone and whole.",
  "delete 404": "Nobody is enrolled under this name. See that it is written as when you enrolled.",
  "delete 422": "Nobody can be enrolled under such a name. See that it is written as when you enrolled.",
};
const ANYWHERE = {
  410: "This attempt took too long. You can begin again at once.",
  429: "That was too often in a short time. Please wait a little, and try again.",
  503: "The service has too much to do, or is still starting. Please try again in a minute.",
};

const minutes = (seconds) =>
  seconds > 90 ? `${Math.ceil(seconds / 60)} minutes` : `${Math.max(1, Math.ceil(seconds))} seconds`;

// Returns title, text, hints and number of what went wrong.
export const explain = (error, doing) => {
  if (error.camera) return { ...CAMERA[error.camera], number: "" };
  if (error.lost) return { ...LOST, number: "" };
  const number = error.said?.request_id ? `${NUMBER} ${error.said.request_id}` : "";
  const reason = REASONS[error.said?.reason];
  if (reason) return { ...reason(error.wait), number };
  const told = STATUSES[`${doing} ${error.status}`] ?? ANYWHERE[error.status];
  if (told) {
    const detail = doing === "enrol" && error.status === 422 && error.said?.came;
    const hints = detail ? [`The service says: expected ${error.said.expected}; came ${error.said.came}.`] : [];
    return { title: "That did not work", text: told, hints, number };
  }
  return {
    title: "Something went wrong",
    text: "It is not your fault. Please try again, and ask for help if it happens once more.",
    hints: [],
    number,
  };
};
