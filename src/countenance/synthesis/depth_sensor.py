"""The depth sensor: coded light from beside the lens, as in Intel's SR300.

Where it fails is what tells surfaces apart as much as what it measures: dark and mirroring surfaces return too little
light, edges mix two depths, and what the projector cannot see has no depth (Zabatani et al., "Intel RealSense SR300
Coded Light Depth Camera", IEEE TPAMI 42(10), 2020, give the range, .2 to 1.5 m, and the step, 1/8 mm; base line and
focal length are assumed).
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from countenance.synthesis.noise import Floats, Noise, blur
from countenance.synthesis.presets import Preset

UNITS_PER_MM = 8
_FOCAL_PIXELS = 475.0
_BASE_MM = 25.0
_NEAREST_MM, _FARTHEST_MM = 200.0, 1500.0
_EDGE_MM = 14.0  # depth step between neighbours at which the code breaks up
_FAILED_ERROR_MM = 17 / 1.2


@dataclass(frozen=True)
class DepthSensor:
    """One depth camera in one clip.

    Attributes:
        disparity: standard deviation of a match at full light, pixels.
        waves: amplitude of its smooth error, against the white one.
        sharpness: sigma of its smoothing, pixels.
        failure: chance that a frame fails.
        levels_per_mm: of the 8-bit view.
    """

    disparity: float
    waves: float
    sharpness: float
    failure: float
    levels_per_mm: float

    def measure(
        self, depth: Floats, returned: Floats, face: NDArray[np.bool_], focal: float, noise: Noise
    ) -> NDArray[np.uint16]:
        """Measure one frame.

        Args:
            depth: (h, w) mm; 0 where there is nothing.
            returned: (h, w) projector's light that comes back; 0 to about 1.
            face: (h, w), whose depths a failure is relative to.
            focal: of the picture, pixels.
            noise: of the sensor; what is drawn from it does not depend on what is measured.

        Returns:
            uint16 (h, w) in 1/8 mm, 0 where there is no measurement.
        """
        rows, columns = depth.shape
        there = depth > 0
        trust = np.clip(returned, 0.002, 0.5)
        seen = np.where(there, depth, np.float32(3 * _FARTHEST_MM))
        lost = self._unlit(seen, focal) | ~there
        across, down = (
            np.abs(np.diff(seen, axis=1, append=seen[:, -1:])),
            np.abs(np.diff(seen, axis=0, append=seen[-1:])),
        )
        lost |= (np.maximum(across, down) > _EDGE_MM) & (noise.generator.random((rows, columns), np.float32) < 0.45)
        # A pixel is lost with the logistic probability of its doubt, drawn as a normal 1.7 wide; neighbours agree.
        doubt = (np.float32(0.055) - trust) * np.float32(1 / 0.02)
        doubt += np.float32(0.9) * noise.smooth(rows, columns, cells=(12, 12))
        doubt += np.float32(1.7) * (
            np.float32(0.45) * noise.white(rows, columns) + np.float32(2.2) * blur(noise.white(rows, columns), 0.8)
        )
        lost |= doubt > 0
        weight = there.astype(np.float32)
        smooth = blur(depth * weight, self.sharpness) / np.maximum(blur(weight, self.sharpness), np.float32(1e-3))
        spread = smooth * smooth * np.float32(self.disparity / (_FOCAL_PIXELS * _BASE_MM))
        spread *= np.sqrt(np.float32(0.012) / trust + np.float32(0.07))
        error = np.float32(0.45) * noise.white(rows, columns)
        error += np.float32(0.75) * cv2.blur(noise.white(rows, columns), (5, 5), borderType=cv2.BORDER_REPLICATE)
        error += np.float32(self.waves) * noise.smooth(rows, columns, cells=(16, 16))
        measured, lost = self._failed(np.asarray(smooth + spread * error, np.float32), lost, face, noise)
        lost |= (measured < _NEAREST_MM) | (measured > _FARTHEST_MM)
        steps = np.rint(measured * np.float32(UNITS_PER_MM))
        return np.where(lost, 0, np.clip(steps, 0, 65535)).astype(np.uint16)

    def _unlit(self, depth: Floats, focal: float) -> NDArray[np.bool_]:
        """What the projector, to the right of the lens, does not see: something nearer stands in its line."""
        column = np.arange(depth.shape[1], dtype=np.float32) - np.float32(focal * _BASE_MM) / depth
        nearest = np.minimum.accumulate(column[:, ::-1], axis=1)[:, ::-1]
        return column > nearest + np.float32(0.9)

    def _failed(
        self, depth: Floats, lost: NDArray[np.bool_], face: NDArray[np.bool_], noise: Noise
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Let the frame fail by chance: a smooth error, a flattened relief, and a third or two of it lost."""
        generator = noise.generator
        rows, columns = depth.shape
        fails, size, relief, share = (float(value) for value in generator.random(4))
        seeds = generator.integers(0, 2**32, 2)
        if fails >= self.failure or not face.any():
            return depth, lost
        apart = Noise(np.random.SeedSequence([int(seed) for seed in seeds]))
        bends, cells = (max(2, rows // 28), max(2, columns // 28)), (max(2, rows // 8), max(2, columns // 8))
        error = apart.smooth(rows, columns, cells=bends) * np.float32(_FAILED_ERROR_MM * (0.5 + size))
        middle = np.float32(np.median(depth[face]))
        flattened = middle + np.float32(0.2 + 0.8 * relief) * (depth - middle) + error
        patches = apart.smooth(rows, columns, cells=cells)
        level = np.quantile(patches[face], 0.3 + 0.4 * share)
        return flattened, lost | (patches < level)

    def view(self, measured: NDArray[np.uint16], face: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """The 8-bit picture (h, w): 128 at the face's median depth, nearer is brighter, 0 is no data."""
        valid = measured > 0
        known = measured[valid & face]
        if not known.size:
            known = measured[valid] if valid.any() else np.zeros(1, np.uint16)
        step = np.float32(self.levels_per_mm / UNITS_PER_MM)
        levels = 128 + step * (np.float32(np.median(known)) - measured.astype(np.float32))
        return np.where(valid, np.clip(np.rint(levels), 1, 255), 0).astype(np.uint8)


def draw_depth_sensor(generator: np.random.Generator, preset: Preset) -> DepthSensor:
    """A depth camera, with the noise of the preset."""
    return DepthSensor(
        disparity=preset.disparity_noise * float(np.exp(generator.normal(0, 0.35))),
        waves=generator.uniform(*preset.depth_waves),
        sharpness=generator.uniform(0.5, 0.9),
        failure=preset.depth_failure,
        levels_per_mm=preset.depth_levels_per_mm,
    )
