"""Compile the training kernel for browsers: `make kernel` renews the file that the page contains.

The file is committed, so that `seedbed play` never needs a compiler. A test compiles it to another
path and compares the bytes.
"""

import subprocess
import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[2] / "src" / "seedbed"
_KERNEL = _PACKAGE / "play" / "static" / "kernel.wasm"
_SOURCE = _PACKAGE / "training" / "native" / "kernel.cpp"
_EXPORTED = ("train", "look", "workspace", "job_bytes", "layer_bytes", "__heap_base")
_FLAGS = (
    *"-target wasm32-freestanding -msimd128 -std=c++17 -O3 -nostdlib -nostdlib++ -nostdinc++".split(),
    *"-fno-exceptions -fno-rtti -fno-math-errno -fno-trapping-math -ffp-contract=fast".split(),
    *("-Wno-vla-cxx-extension", "-DNETWORKS_IN_LANES_ALONE"),
    # Engines keep 8 sums and 4 weights in registers, more of them in memory; see benchmarks/LOG.md.
    *("-DPRODUCT_SUMS=8", "-DPRODUCT_UNITS=4"),
    *(
        "-Wl,--no-entry",
        "-Wl,--strip-all",
        *(f"-Wl,--export={name}" for name in _EXPORTED),
    ),
)


if __name__ == "__main__":
    made = Path(sys.argv[1]) if len(sys.argv) > 1 else _KERNEL
    subprocess.run(
        [
            sys.executable,
            *"-m ziglang c++".split(),
            *_FLAGS,
            "-o",
            str(made),
            str(_SOURCE),
        ],
        check=True,
    )
