"""A peer that speaks CloudEvents by somebody else's code: one JSON object on stdin, one on stdout."""

import base64
import hashlib
import hmac
import json
import sys

from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from cloudevents.v1.conversion import to_binary, to_structured
from cloudevents.v1.http import CloudEvent, from_http


def read(request):
    """An event that Epitaph posted."""
    headers, body = request["headers"], base64.b64decode(request["body"])
    event = from_http(headers, body)
    newer = from_http_event(HTTPMessage(headers=headers, body=body))
    return {
        "attributes": {name: event[name] for name in event},
        "data": event.data,
        "newer": {"id": newer.get_id(), "type": newer.get_type(), "data": newer.get_data()},
    }


def signed(secret, attributes, data):
    """As Epitaph signs: the parts that matter, each after its length."""
    parts = [attributes[name] for name in ("specversion", "id", "source", "type", "time")] + [data]
    mac = hmac.new(bytes.fromhex(secret), digestmod=hashlib.sha256)
    for part in (part.encode() for part in parts):
        mac.update(len(part).to_bytes(8, "big") + part)
    return mac.hexdigest()


def write(request):
    """The same event in all forms that this library writes."""
    forms = {}
    for name, convert, data in (
        ("binary", to_binary, request["data"]),
        ("structured", to_structured, request["data"]),
        ("structured_base64", to_structured, json.dumps(request["data"]).encode()),
    ):
        attributes = dict(request["attributes"], id=request["ids"][name], datacontenttype="application/json")
        if isinstance(data, bytes):
            data = data.replace(request["attributes"]["id"].encode(), attributes["id"].encode())
            text = data.decode()
        else:
            data = json.loads(json.dumps(data).replace(request["attributes"]["id"], attributes["id"]))
            text = json.dumps(data)
        attributes["epitaphmac"] = signed(request["secret"], dict(attributes, specversion="1.0"), text)
        headers, body = convert(CloudEvent(attributes, data))
        body = body if isinstance(body, bytes) else body.encode()
        forms[name] = {"headers": headers, "body": base64.b64encode(body).decode()}
    return forms


request = json.load(sys.stdin)
json.dump({"read": read, "write": write}[request["do"]](request), sys.stdout)
