"""Holds manifests to the schemas of Kubernetes and of the Prometheus Operator, each field of them.

usage: manifests.py FILE VERSION...   VERSIONs are Kubernetes'; prints what is there
"""

import sys

import kubernetes_validate
import yaml
from cloudcoil.models.prometheus_operator import v1


def check_monitor(manifest):
    # The model passes over fields that it does not know: they would be missing here.
    model = v1.ServiceMonitor.model_validate(manifest)
    known = model.model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert known == manifest, f"not a ServiceMonitor's: {manifest} is read as {known}"


with open(sys.argv[1]) as file:
    manifests = list(yaml.safe_load_all(file))
for manifest in manifests:
    kind = manifest["kind"]
    if kind == "ServiceMonitor":
        check_monitor(manifest)
    else:
        for version in sys.argv[2:]:
            kubernetes_validate.validate(manifest, version, strict=True)
    print(kind, manifest["metadata"]["name"])
