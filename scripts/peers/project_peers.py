"""Project and reconstruct slices with every peer that this Python has, and tell the seconds of one slice as JSON.

    PYTHON project_peers.py FILE.npz SLICES

FILE holds image (x, y), angles [rad], bins, bin_pixels (width of a bin in pixels) and truth (views, bins), the exact
line integrals in pixels. Run by scripts/bench_scan.py in the peers' own environment; this file knows nothing of
pancreasgen. Only threads that a peer starts by itself are used. A peer that is not there is told on stderr.
"""

import json
import sys
import time

import numpy as np


def seconds(work, slices):
    """Return the wall and CPU seconds of one slice, and the last result."""
    wall, cpu, result = time.perf_counter(), time.process_time(), None
    for _ in range(slices):
        result = work()
    return (time.perf_counter() - wall) / slices, (time.process_time() - cpu) / slices, result


def by_skimage(data, slices):
    """Return times and results; its bins are pixels, so that its error holds an interpolation to the others' bins."""
    from skimage.transform import iradon, radon

    theta = np.degrees(data["angles"])
    size = data["image"].shape[0]
    picture = np.ascontiguousarray(data["image"].T[::-1])
    forward = seconds(lambda: radon(picture, theta, circle=True), slices)
    centre = (np.arange(data["bins"]) - (data["bins"] - 1) / 2.0) * data["bin_pixels"]
    own = np.arange(size) - size // 2
    truth = np.stack([np.interp(own, centre, view, 0.0, 0.0) for view in data["truth"]], axis=1)
    back = seconds(lambda: iradon(truth, theta, circle=True, output_size=size), slices)
    got = np.stack([np.interp(centre, own, view, 0.0, 0.0) for view in forward[2].T])
    return forward, got, back, back[2][::-1].T


def by_astra(data, slices):
    import astra

    size = data["image"].shape[0]
    volume = astra.create_vol_geom(size, size)
    beams = astra.create_proj_geom("parallel", float(data["bin_pixels"]), int(data["bins"]), -data["angles"])
    projector = astra.create_projector("linear", beams, volume)
    picture = np.ascontiguousarray(data["image"].T)

    def project():
        number, sinogram = astra.create_sino(picture, projector)
        astra.data2d.delete(number)
        return sinogram

    def reconstruct():
        held = astra.data2d.create("-sino", beams, np.ascontiguousarray(data["truth"]))
        image = astra.data2d.create("-vol", volume)
        config = astra.astra_dict("FBP") | {
            "ProjectorId": projector, "ProjectionDataId": held, "ReconstructionDataId": image,
        }  # fmt: skip
        algorithm = astra.algorithm.create(config)
        astra.algorithm.run(algorithm)
        result = astra.data2d.get(image)
        astra.algorithm.delete(algorithm)
        astra.data2d.delete([held, image])
        return result

    forward = seconds(project, slices)
    back = seconds(reconstruct, slices)
    return forward, forward[2], back, back[2].T


def main():
    data, slices = dict(np.load(sys.argv[1])), int(sys.argv[2])
    told = {}
    for name, package, work in (("scikit-image", "skimage", by_skimage), ("ASTRA", "astra", by_astra)):
        try:
            module = __import__(package)
        except ImportError as error:
            print(f"{name} is not here: {error}", file=sys.stderr)
            continue
        forward, sinogram, back, image = work(data, slices)
        error = float(np.sqrt(((sinogram - data["truth"]) ** 2).mean() / (data["truth"] ** 2).mean()))
        inside, scanned = data["inside"], data["scanned"]
        rms = [float(np.sqrt(((image - data["image"])[place] ** 2).mean())) for place in (inside, scanned)]
        told[name] = {
            "version": getattr(module, "__version__", "?"), "forward": forward[:2], "error": error,
            "back": back[:2], "rms": rms,
        }  # fmt: skip
    print(json.dumps(told))


if __name__ == "__main__":
    main()
