"""What administrators put into the way of writes: an admission webhook that is down, a policy that refuses."""
import contextlib
import json

from bench.waiting import eventually

DEPLOYMENTS = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["deployments"]}


@contextlib.contextmanager
def in_force(server, *objects):
    server.kubectl("apply", "-f", "-", stdin="\n---\n".join(map(json.dumps, objects)))
    try:
        yield
    finally:
        for each in objects:
            server.kubectl("delete", each["kind"], each["metadata"]["name"])


def webhook_that_is_down(server, space):
    """For Deployments of one namespace; their scale is not asked about."""
    hook = {
        "name": "down.example.com",
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "rules": [DEPLOYMENTS],
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": space}},
    }
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    return in_force(server, {**kind, "metadata": {"name": space}, "webhooks": [hook]})


@contextlib.contextmanager
def policy_that_refuses_fp32(server, space):
    """For Deployments of one namespace whose program has that argument: what no schema of ours can know."""
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": space}}
    rule = {
        "expression": "object.spec.template.spec.containers.all(c, !has(c.args) || !c.args.exists(a, a.contains('fp32')))",
        "message": "fp32 is too slow",
    }
    policy = {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": [DEPLOYMENTS]}, "validations": [rule]}
    binding = {
        "policyName": space,
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": space}}},
    }
    labels = {"app": "probe"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i", "args": ["fp32"]}]}}
    probe = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "probe", "namespace": space},
        "spec": {"selector": {"matchLabels": labels}, "template": pod},
    }

    def refuses():
        done = server.run("kubectl", "create", "--dry-run=server", "-f", "-", stdin=json.dumps(probe), check=False)
        assert "fp32 is too slow" in done.stderr, done

    with in_force(server, {**kind, "kind": "ValidatingAdmissionPolicy", "spec": policy},
                  {**kind, "kind": "ValidatingAdmissionPolicyBinding", "spec": binding}):
        # The API server takes up a policy some seconds after it was made.
        eventually(refuses, 60)
        yield
