"""Packs functions as `cargo lambda build --output-format zip` does: FOLDER/NAME/bootstrap.zip for each program."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

strip = shutil.which("strip")


def bytes_of(program):
    if strip is None:
        return program.read_bytes()
    # What debuggers need makes most of an unoptimised program.
    with tempfile.TemporaryDirectory() as scratch:
        small = pathlib.Path(scratch) / "bootstrap"
        subprocess.run([strip, "-o", small, program], check=True)
        return small.read_bytes()


folder = pathlib.Path(sys.argv[1])
for program in map(pathlib.Path, sys.argv[2:]):
    place = folder / program.name
    place.mkdir(parents=True)
    bootstrap = zipfile.ZipInfo("bootstrap")
    bootstrap.external_attr = 0o100755 << 16
    bootstrap.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(place / "bootstrap.zip", "w", compresslevel=1) as packed:
        packed.writestr(bootstrap, bytes_of(program), compresslevel=1)
