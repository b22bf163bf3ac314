"""What the chart's allow.* values tell the operator, and which rights they bring."""

import pytest

from tests.cluster.test_chart import VARIANTS, of_kind, render  # noqa: F401


def operator_args(objects):
    (deployment,) = of_kind(objects, "Deployment")
    return deployment["spec"]["template"]["spec"]["containers"][0]["args"]


def allow_args(objects):
    return [each for each in operator_args(objects) if each.startswith(("--allow-", "--no-prometheus"))]


def test_what_authors_may_ask_for_is_told_to_the_operator(render):
    schemes = [f"--allow-model-scheme={each}" for each in ("https", "file", "pvc", "builtin")]
    free = ["--allow-label=*", "--allow-annotation=*", "--allow-env=*", "--allow-webhook-host=*"]
    assert allow_args(render({})) == [*schemes, "--allow-model-host=*", "--allow-tls-secret=*", *free]
    assert allow_args(render(VARIANTS["permissions"])) == [
        "--allow-image=registry.example.com/team",
        "--allow-model-scheme=https",
        "--allow-model-scheme=pvc",
        "--allow-model-host=models.example.com",
        "--allow-model-host=*.store.example.com:8443",
        "--allow-model-host=[fd00::1]:443",
        "--allow-model-address=private",
        "--allow-claim=elasticinference.dev/models=true",
        "--allow-toleration=inference",
        "--allow-tls-secret=eis-*",
        "--allow-service-account=worker-*",
        "--allow-priority-class=serving",
        "--allow-label=team",
        "--allow-label=example.com/*",
        "--allow-annotation=none",
        "--allow-env=OMP_*",
        "--allow-webhook-host=*.default.svc:8080",
        "--allow-webhook-address=service",
        "--no-prometheus-query",
    ]
    # An empty list is nothing, and not what the operator does without the flag.
    lists = {"modelSchemes": [], "modelHosts": [], "tlsSecrets": [], "labels": [], "annotations": [], "env": [], "webhookHosts": []}
    flags = ["model-scheme", "model-host", "tls-secret", "label", "annotation", "env", "webhook-host"]
    assert allow_args(render({"allow": lists})) == [f"--allow-{each}=none" for each in flags]


@pytest.mark.parametrize("claims, may", [("", False), ("none", False), ("*", False), ("a/b", True), ("a=b", True)])
@pytest.mark.parametrize("where", [{}, {"watchNamespaces": ["default"]}])
def test_claims_may_be_looked_at_only_where_their_labels_count(render, claims, may, where):
    objects = render({"allow": {"claims": claims}, **where})
    rules = [rule for role in objects if role["kind"] in ("ClusterRole", "Role") for rule in role["rules"]]
    verbs = [rule["verbs"] for rule in rules if "persistentvolumeclaims" in rule["resources"]]
    assert verbs == ([["get"]] if may else [])
