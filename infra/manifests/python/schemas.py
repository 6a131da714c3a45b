"""Reads a JSON list of Kubernetes documents from standard input, and prints what their schemas say against them.

The argument is the version of Kubernetes; a second one is a folder of Knative's schemas, one file per kind. Unknown
fields are problems. `unknown` lists kinds for which there is no schema."""

import json
import pathlib
import sys

import jsonschema
import kubernetes_validate

version = sys.argv[1]
folder = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None


def strict(schema):
    """The schema without room for fields that it does not name."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(part) for key, part in schema.items()}
    named = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    if named and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    return schema


def kubernetes(document):
    kubernetes_validate.validate(document, version, strict=True)


def knative(document):
    group, release = document["apiVersion"].split("/")
    schema = json.loads((folder / f"{group}_{release}_{document['kind']}.json").read_text())
    schema = strict(schema)
    # The same for all kinds, so that a definition need not say more of them.
    schema["properties"] |= {"apiVersion": {}, "kind": {}, "metadata": {"type": "object"}}
    jsonschema.Draft202012Validator(schema).validate(document)
    kubernetes({"apiVersion": "v1", "kind": "ConfigMap", "metadata": document["metadata"]})


problems, unknown = [], set()
for document in json.load(sys.stdin):
    is_knative = document["apiVersion"].split("/")[0].endswith(".knative.dev")
    try:
        if not is_knative:
            kubernetes(document)
        elif folder is not None:
            knative(document)
    except (kubernetes_validate.SchemaNotFoundError, FileNotFoundError):
        unknown.add(f"{document['apiVersion']} {document['kind']}")
    except jsonschema.ValidationError as error:
        where = "/".join(str(step) for step in error.absolute_path)
        problems.append(f"{document['kind']} {document['metadata'].get('name')}: {where}: {error.message[:300]}")
json.dump({"problems": problems, "unknown": sorted(unknown)}, sys.stdout)
