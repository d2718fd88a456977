"""What fast decoding changes: detections of the same pictures, decoded fast and exactly.

    python bench/decoding.py
    python bench/decoding.py --models DIR --model ID --pictures photographs [--images DIR]

Runs a detector in this process on JPEGs of many sizes and qualities, each prepared twice (as with
``--decode fast`` and with ``--decode exact``), and prints what differs. The pictures are generated
scenes, which the demo model knows, or photographs: those inside the scikit-image package where it
is installed, and those of ``--images``. Photographs smaller than a size wanted are enlarged and get
the grain of a sensor, because without detail there would be nothing that the ways of shrinking
could treat differently; the files themselves are measured as they are, too.

A detection of one way is matched with one of the other if the class is the same and they overlap
by half (IoU); the difference of a box is that of the worst of its four edges.
"""

import argparse
import dataclasses
import importlib.util
import io
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from parallax.contract import messages, spec
from parallax.contract.decoding import Decoding
from parallax.demo import scenes
from parallax.engine import device as devices
from parallax.engine import session as sessions
from parallax.models import catalog
from parallax.models.families import heads
from parallax.stages import pre
from parallax.stages.post import respond
from parallax.vision import nms

PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "camera.png", "rocket.jpg", "retina.jpg")
SCENES = 40
QUALITIES = (75, 95)
GRAIN = 6.0
"""Standard deviation of the noise that stands for a sensor's, in levels of 255."""

MAX_PIXELS = 178_000_000
TIMED = 3
"""Preparations of each picture, of which the quickest counts."""

Boxes = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Detections:
    """What was found in a picture, best first."""

    boxes: Boxes
    """(n, 4) x1, y1, x2, y2 in pixels of the picture."""
    scores: NDArray[np.float64]
    classes: NDArray[np.int64]
    scale: float
    """Pixels of the network per pixel of the picture."""
    seconds: float
    """What preparing took."""


@dataclasses.dataclass
class Tally:
    """Differences over many pictures."""

    pictures: int = 0
    fast: int = 0
    exact: int = 0
    pixels: list[float] = dataclasses.field(default_factory=list)
    network_pixels: list[float] = dataclasses.field(default_factory=list)
    scores: list[float] = dataclasses.field(default_factory=list)
    lost: list[float] = dataclasses.field(default_factory=list)
    """Scores of detections that only one way found."""
    fast_seconds: list[float] = dataclasses.field(default_factory=list)
    exact_seconds: list[float] = dataclasses.field(default_factory=list)

    def add(self, fast: Detections, exact: Detections) -> None:
        """Compare two sets of detections of one picture."""
        pairs = matched(fast, exact)
        edges = [float(np.abs(fast.boxes[i] - exact.boxes[j]).max()) for i, j in pairs]
        self.pictures += 1
        self.fast += len(fast.scores)
        self.exact += len(exact.scores)
        self.pixels += edges
        self.network_pixels += [edge * exact.scale for edge in edges]
        self.scores += [float(abs(fast.scores[i] - exact.scores[j])) for i, j in pairs]
        self.lost += np.delete(fast.scores, [i for i, _ in pairs]).tolist()
        self.lost += np.delete(exact.scores, [j for _, j in pairs]).tolist()
        self.fast_seconds.append(fast.seconds)
        self.exact_seconds.append(exact.seconds)

    def row(self, name: str) -> str:
        """Return a line of the table."""
        share = 2 * len(self.pixels) / max(1, self.fast + self.exact)
        cells = [
            name,
            str(self.pictures),
            f"{self.exact}; {self.fast}",
            f"{share:.1%}",
            spread(self.pixels, 1),
            spread(self.network_pixels, 2),
            spread(self.scores, 3),
            f"{max(self.lost, default=0.0):.2f}",
            f"{np.median(self.fast_seconds) * 1e3:.1f}; {np.median(self.exact_seconds) * 1e3:.1f}",
        ]
        return "| " + " | ".join(cells) + " |"


HEADER = """\
| pictures | number | found exact; fast | matched | edge, px of picture | edge, px of network \
| score | best unmatched | ms fast; exact |
|---|---|---|---|---|---|---|---|---|"""


def spread(values: list[float], digits: int) -> str:
    """Return p50 / p95 / max."""
    if not values:
        return ""
    cuts = [*np.percentile(values, (50, 95)), max(values)]
    return " / ".join(f"{cut:.{digits}f}" for cut in cuts)


def matched(fast: Detections, exact: Detections) -> list[tuple[int, int]]:
    """Return pairs of indices of what both found, the best first."""
    overlaps = nms.iou(fast.boxes, exact.boxes)
    overlaps[fast.classes[:, None] != exact.classes[None, :]] = 0.0
    pairs = []
    for index in range(len(fast.scores)):
        best = int(overlaps[index].argmax()) if overlaps.shape[1] else 0
        if overlaps.shape[1] and overlaps[index, best] >= 0.5:
            pairs.append((index, best))
            overlaps[:, best] = 0.0
    return pairs


class Detector:
    """A model of a catalog, run in this process."""

    def __init__(self, model: spec.ModelSpec, confidence: float) -> None:
        self._model = model
        self._params = messages.DetectionParams(confidence=confidence)
        self._session = sessions.Session(model, devices.Device("cpu"))
        self._out = np.empty((model.input.height, model.input.width, 3), np.uint8)

    def find(self, data: bytes, decoding: Decoding) -> Detections:
        """Return what the model finds in an encoded picture."""
        trials = [self._prepare(data, decoding) for _ in range(TIMED)]
        seconds, placed = min(trials, key=lambda trial: trial[0])
        outputs = [output[0] for output in self._session.run(self._out[np.newaxis])]
        few = heads.reduce(self._model, outputs, self._params)
        answer = json.loads(respond.respond(few, self._model, self._params, placed))
        found = answer["predictions"]
        sides = [[each[key] for key in ("x", "y", "width", "height")] for each in found]
        rows = np.array(sides, dtype=np.float64).reshape(-1, 4)
        return Detections(
            np.hstack([rows[:, :2] - rows[:, 2:] / 2, rows[:, :2] + rows[:, 2:] / 2]),
            np.array([each["confidence"] for each in found], dtype=np.float64),
            np.array([each["class_id"] for each in found], dtype=np.int64),
            placed.scale_x,
            seconds,
        )

    def _prepare(self, data: bytes, decoding: Decoding) -> tuple[float, messages.Geometry]:
        started = time.perf_counter()
        options, target = messages.ImageOptions(), self._model.input
        placed = pre.prepare(data, options, target, MAX_PIXELS, self._out, decoding)
        return time.perf_counter() - started, placed


def photographs(folders: list[Path]) -> Iterator[Path]:
    """Yield the files of photographs that are at hand."""
    found = importlib.util.find_spec("skimage")
    for folder in (found.submodule_search_locations or ()) if found else ():
        yield from (path for name in PHOTOS if (path := Path(folder) / "data" / name).is_file())
    for given in folders:
        kinds = (".jpg", ".jpeg", ".png", ".webp")
        yield from (path for path in sorted(given.rglob("*")) if path.suffix.lower() in kinds)


def as_jpeg(image: Image.Image, quality: int) -> bytes:
    """Return the picture as a camera stores it."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def sized(image: Image.Image, longest: int, seed: int) -> Image.Image:
    """Return a photograph with a longer side of ``longest`` pixels."""
    scale = longest / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    resized = image.resize(size, Image.Resampling.LANCZOS)
    if scale <= 1:
        return resized
    noise = np.random.default_rng(seed).normal(0.0, GRAIN, (*size[::-1], 3))
    return Image.fromarray(np.clip(np.asarray(resized) + noise, 0, 255).astype(np.uint8))


def enlarged(longest: int, folders: list[Path]) -> Iterator[bytes]:
    """Yield each photograph in one size and each quality."""
    for seed, path in enumerate(photographs(folders)):
        image = sized(Image.open(path).convert("RGB"), longest, seed)
        yield from (as_jpeg(image, quality) for quality in QUALITIES)


def drawn(longest: int) -> Iterator[bytes]:
    """Yield scenes of one size, in every quality in turn."""
    for seed in range(SCENES):
        scene = scenes.generate(seed, (longest, longest * 3 // 4)).image
        yield as_jpeg(scene, QUALITIES[seed % len(QUALITIES)])


def main() -> None:
    """Print a table, one line for each size and kind of pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, action="append", default=[])
    parser.add_argument("--model", default="demo")
    parser.add_argument("--pictures", choices=("scenes", "photographs"), default="scenes")
    parser.add_argument("--images", type=Path, action="append", default=[])
    parser.add_argument("--longest", default="640,1280,1920,4000")
    parser.add_argument("--confidence", type=float, default=0.4)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        specs = catalog.prepare(wanted.models, Path(cache), 1, 0.0).specs
        model = next(each for each in specs if each.id == wanted.model)
        detector = Detector(model, wanted.confidence)
    print(HEADER)
    sizes = [int(size) for size in wanted.longest.split(",")]
    if wanted.pictures == "scenes":
        groups = {f"scenes, {size} px": drawn(size) for size in sizes}
    else:
        groups = {"as they are": (path.read_bytes() for path in photographs(wanted.images))}
        groups |= {f"{size} px": enlarged(size, wanted.images) for size in sizes}
    for name, pictures in groups.items():
        tally = Tally()
        for data in pictures:
            tally.add(detector.find(data, Decoding.FAST), detector.find(data, Decoding.EXACT))
        print(tally.row(name), flush=True)


if __name__ == "__main__":
    main()
