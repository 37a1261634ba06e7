"""Install the wheels for this machine into empty environments, without PyTorch or a compiler, and
use them.

    python tests/check_wheels.py dist

One wheel contains the kernel: it compares, trains, predicts, serves and exports, and the
environment of this script, which has PyTorch, predicts the same numbers with its model. The other
one is for any system: without PyTorch it says how to get it.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
import venv
from pathlib import Path

from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename

import seedbed

TABLE = "example:breast-cancer"


class Environment:
    """A virtual environment with a wheel and nothing else, in whose path no compiler is."""

    def __init__(self, wheel: Path, folder: Path) -> None:
        folder.mkdir()
        venv.create(folder / "venv", with_pip=True)
        self.folder, self.programs = folder, folder / "venv" / "bin"
        self.variables = dict(PATH=str(self.programs), HOME=str(folder), LANG="C.UTF-8")
        pip = [
            self.programs / "python",
            *"-m pip install --quiet".split(),
            f"{wheel.resolve()}[onnx,serve]",
        ]
        subprocess.run(pip, check=True)
        packages = next((folder / "venv" / "lib").glob("python*/site-packages"))
        assert not (packages / "torch").exists(), "PyTorch was installed"
        size = sum(
            path.stat().st_size for path in packages.rglob("*") if path.is_file()
        )
        print(
            f"{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB, with what it needs {size / 1e6:.0f} MB unpacked"
        )

    def seedbed(self, *words: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        call = [str(self.programs / "seedbed"), *words]
        options = dict(capture_output=True, text=True, check=False)
        done = subprocess.run(call, cwd=self.folder, env=self.variables, **options)
        assert done.returncode == status, (
            f"seedbed {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done

    def served(self, model: str, row: dict[str, object]) -> dict[str, list[object]]:
        """Return what a server answers for one row."""
        call = [str(self.programs / "seedbed"), "serve", model, "--port", "0"]
        server = subprocess.Popen(
            call, cwd=self.folder, env=self.variables, stderr=subprocess.PIPE, text=True
        )
        try:
            assert server.stderr is not None
            address = next(
                word
                for word in server.stderr.readline().split()
                if word.startswith("http")
            )
            body = json.dumps({"rows": [row]}).encode()
            kind = {"Content-Type": "application/json"}
            request = urllib.request.Request(f"{address}/predict", body, kind)
            with urllib.request.urlopen(request, timeout=30) as answer:
                content: dict[str, list[object]] = json.load(answer)
            return content
        finally:
            server.kill()
            server.wait()


def check_with_kernel(place: Environment) -> None:
    version = place.seedbed("--version").stdout
    assert "kernel: no" not in version, version
    assert "PyTorch: not installed" in version, version
    place.seedbed("compare", TABLE, "--quick", "--out", "run")
    place.seedbed("train", "run", "-o", "model.safetensors")
    place.seedbed("predict", "model.safetensors", TABLE, "-o", "here.csv")
    place.seedbed("export", "model.safetensors", "-o", "model.onnx")
    # all cells are missing
    row = dict.fromkeys(seedbed.read_table(TABLE).feature_names, None)
    assert len(place.served("model.safetensors", row)["predictions"]) == 1
    other = [
        sys.executable,
        *"-m seedbed predict model.safetensors".split(),
        TABLE,
        "-o",
        "there.csv",
    ]
    subprocess.run(
        other, cwd=place.folder, env=os.environ, check=True, capture_output=True
    )
    here, there = (
        list(csv.reader((place.folder / f"{name}.csv").open()))
        for name in ("here", "there")
    )
    assert len(here) == len(there) > 1
    for one, two in zip(here[1:], there[1:], strict=True):
        assert all(
            a == b or abs(float(a) - float(b)) < 1e-5
            for a, b in zip(one, two, strict=True)
        ), (one, two)


def check_without_kernel(place: Environment) -> None:
    assert "kernel: no kernel was built" in place.seedbed("--version").stdout
    said = place.seedbed("compare", TABLE, "--quick", status=2).stderr.splitlines()
    assert len(said) == 1, said
    assert "seedbed[torch]" in said[0], said


def main(folder: Path) -> None:
    supported = frozenset(sys_tags())
    wheels = sorted(
        one
        for one in folder.glob("*.whl")
        if parse_wheel_filename(one.name)[3] & supported
    )
    assert len(wheels) == 2, f"not one wheel for this machine and one for any: {wheels}"
    with tempfile.TemporaryDirectory() as temporary:
        for wheel in wheels:
            check = (
                check_without_kernel
                if wheel.stem.endswith("-any")
                else check_with_kernel
            )
            check(Environment(wheel, Path(temporary) / wheel.stem))
    print("the wheels work without PyTorch and without a compiler")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
