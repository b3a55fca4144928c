// The camera: opened with the reason why not, closed for good, and asked for pictures.

const STREAMED = { side: 640, quality: 0.9 };
const WAKING_MILLISECONDS = 8000;

export class CameraTrouble extends Error {
  constructor(camera) {
    super(camera);
    this.camera = camera;
  }
}

const why = async (error) => {
  if (error.name === "NotFoundError" || error.name === "OverconstrainedError") return "missing";
  if (error.name === "NotReadableError" || error.name === "AbortError") return "busy";
  if (/by system/i.test(error.message)) return "system";
  try {
    const { state } = await navigator.permissions.query({ name: "camera" });
    return state === "denied" ? "blocked" : "dismissed";
  } catch {
    return "dismissed"; // a browser that does not tell
  }
};

// Resolves when the picture runs.
export const openCamera = async (video, choice, signal) => {
  closeCamera(video);
  if (!navigator.mediaDevices?.getUserMedia) throw new CameraTrouble("insecure");
  const which = choice ? { deviceId: { exact: choice } } : { facingMode: { ideal: "user" } };
  const wanted = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 }, ...which };
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
  } catch (error) {
    throw new CameraTrouble(await why(error));
  }
  if (signal.aborted) {
    stream.getTracks().forEach((track) => track.stop());
    throw signal.reason;
  }
  video.srcObject = stream;
  const late = new Promise((_, fail) => setTimeout(() => fail(new CameraTrouble("busy")), WAKING_MILLISECONDS));
  try {
    await Promise.race([video.play(), late]);
  } catch {
    if (signal.aborted) throw signal.reason; // somebody else has the picture now
    closeCamera(video);
    throw new CameraTrouble("busy");
  }
};

export const closeCamera = (video) => {
  video.srcObject?.getTracks().forEach((track) => track.stop());
  video.srcObject = null;
};

export const cameras = async () =>
  (await navigator.mediaDevices.enumerateDevices()).filter(({ kind, deviceId }) => kind === "videoinput" && deviceId);

// Returns a canvas with the picture of this moment, not mirrored, no side longer than `side`.
export const still = (video, side = Infinity) => {
  const runs = video.srcObject?.getVideoTracks().some((track) => track.readyState === "live");
  if (!runs || !video.videoWidth) throw new CameraTrouble("stopped");
  const scale = Math.min(1, side / Math.max(video.videoWidth, video.videoHeight));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(video.videoWidth * scale);
  canvas.height = Math.round(video.videoHeight * scale);
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  return canvas;
};

export const jpeg = (canvas, quality) =>
  new Promise((done, fail) => {
    canvas.toBlob((blob) => (blob ? done(blob) : fail(new CameraTrouble("stopped"))), "image/jpeg", quality);
  });

// Returns what is sent of a session: small enough for ten a second.
export const picture = (video) => jpeg(still(video, STREAMED.side), STREAMED.quality);
