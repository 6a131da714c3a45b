"""Prints every YAML file below a folder as JSON: its path in the folder, and its documents."""

import json
import pathlib
import sys

import yaml

folder = pathlib.Path(sys.argv[1])
files = sorted(folder.rglob("*.yaml"))
json.dump({str(file.relative_to(folder)): list(yaml.safe_load_all(file.read_text())) for file in files}, sys.stdout)
