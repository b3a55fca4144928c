"""A second colour camera: one cheap device with habits of its own, for networks that never saw it.

The first one (`sensors.draw_colour_sensor`) is another device in every clip, each of which stores what it sees. This
one is the same device in every clip. Its filters leak into each other and lean to blue, it is short of light and so
grainy, its curve is steep, and its firmware scales the picture down, sharpens it, compresses it as JPEG with halved
colour (which is how such a camera sends its frames over USB), and the host scales it up again.

Nothing else of a clip depends on the camera: what stands before it, how that moves and every box are the same.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from countenance.synthesis.noise import Floats
from countenance.synthesis.sensors import ColourSensor, draw_colour_sensor
from countenance.synthesis.spec import DrawnCamera

LEAK = ((0.80, 0.17, 0.03), (0.10, 0.82, 0.08), (0.02, 0.16, 0.82))  # a row for each of R, G, B that is stored
LEAN = (0.90, 1.0, 1.14)
SCALE = 0.6  # of the side, as sent
SHARPENING, SHARPENING_SIGMA = 1.3, 1.0
STEEPNESS = 0.7
JPEG_QUALITY = (52, 66)


@dataclass(frozen=True)
class Webcam:
    """The device in one clip.

    Attributes:
        sensor: its optics, exposure and noise.
        jpeg_quality: of the frames that it sends; busier scenes get less.
        curve: (256,) uint8, what it makes of the levels of `sensor`.
    """

    sensor: ColourSensor
    jpeg_quality: int
    curve: NDArray[np.uint8]

    def develop(self, radiance: Floats, face: NDArray[np.bool_], white: Floats) -> NDArray[np.uint8]:
        """Return the picture that the host gets; the arguments are those of `ColourSensor.develop`."""
        leaked = np.asarray(cv2.transform(radiance, np.array(LEAK, np.float32)), np.float32)
        stored = self.curve.take(self.sensor.develop(leaked, face, white))
        height, width = stored.shape[:2]
        sent = (max(1, round(width * SCALE)), max(1, round(height * SCALE)))
        small = cv2.resize(stored, sent, interpolation=cv2.INTER_AREA)
        soft = cv2.GaussianBlur(small, (0, 0), SHARPENING_SIGMA, borderType=cv2.BORDER_REPLICATE)
        sharp = cv2.addWeighted(small, 1 + SHARPENING, soft, -SHARPENING, 0)
        options = [
            *(cv2.IMWRITE_JPEG_QUALITY, self.jpeg_quality),
            *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420),
        ]
        _, packet = cv2.imencode(".jpg", sharp[..., ::-1], options)
        received = cv2.imdecode(packet, cv2.IMREAD_COLOR)
        assert received is not None
        whole = cv2.resize(received[..., ::-1], (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(whole, dtype=np.uint8)


def _curve() -> NDArray[np.uint8]:
    """A steeper middle, flatter ends; it rises everywhere as long as STEEPNESS is below 1."""
    level = np.arange(256, dtype=np.float64) / 255
    return np.rint(255 * (level + STEEPNESS * level * (1 - level) * (2 * level - 1))).astype(np.uint8)


def _draw_webcam(generator: np.random.Generator) -> Webcam:
    """The device under the light of one clip, which sets its exposure, its noise and its rate of data."""
    optics = draw_colour_sensor(generator)
    error = np.exp(generator.normal(0, 0.03, 3))
    sensor = replace(
        optics,
        exposure=generator.uniform(0.27, 0.42),
        balance=(np.array(LEAN) * error).astype(np.float32),
        sharpness=generator.uniform(1.0, 1.3),
        shot=0.0011 * generator.uniform(2, 4),
        floor=0.006 * generator.uniform(2, 3),
    )
    return Webcam(sensor, int(generator.integers(*JPEG_QUALITY)), _curve())


def draw_camera(camera: DrawnCamera, generator: np.random.Generator) -> ColourSensor | Webcam:
    """Draw the settings of a colour camera in one clip."""
    return _draw_webcam(generator) if camera is DrawnCamera.WEBCAM else draw_colour_sensor(generator)
