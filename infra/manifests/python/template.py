"""Prints a SAM template as JSON: as it is written, and as CloudFormation gets it."""

import copy
import json
import os
import pathlib
import sys

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from samtranslator.translator.transform import transform  # noqa: E402
from samtranslator.yaml_helper import yaml_parse  # noqa: E402


class NoManagedPolicies:
    """The template names its policies itself."""

    def load(self):
        return {}


written = yaml_parse(pathlib.Path(sys.argv[1]).read_text())
packaged = copy.deepcopy(written)
for resource in packaged["Resources"].values():
    if resource["Type"] == "AWS::Serverless::Function":
        # What `sam deploy` puts there.
        packed = pathlib.PurePath(resource["Properties"]["CodeUri"])
        resource["Properties"]["CodeUri"] = f"s3://code/{packed.parent.name}.zip"
json.dump({"written": written, "translated": transform(packaged, {}, NoManagedPolicies())}, sys.stdout)
