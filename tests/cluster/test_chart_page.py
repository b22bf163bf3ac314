"""Where the chart puts the live page: for kubectl port-forward, or with a token for all."""

from tests.cluster.test_chart import of_kind, render  # noqa: F401


def seen(objects):
    """(the operator's flags of the page, the names of its ports, the ends of the Services' names)"""
    (operator,) = of_kind(objects, "Deployment")
    container = operator["spec"]["template"]["spec"]["containers"][0]
    services = [each["metadata"]["name"].rpartition("-")[2] for each in of_kind(objects, "Service")]
    return [each for each in container["args"] if "page" in each], [each["name"] for each in container["ports"]], services


def test_only_port_forward_reaches_the_page(render):
    assert seen(render({})) == (["--page-port=8082"], ["metrics", "probes", "page"], ["metrics"])
    assert seen(render({"page": {"port": 9997}}))[0] == ["--page-port=9997"]


def test_with_a_token_the_page_has_a_service_and_reads_the_secret(render):
    objects = render({"page": {"tokenSecret": "people"}, "networkPolicy": {"enabled": True}})
    flags = ["--page-port=8082", "--page-address=0.0.0.0", "--page-token-file=/etc/elastic-inference/page/token"]
    assert seen(objects) == (flags, ["metrics", "probes", "page"], ["metrics", "page"])
    (operator,) = of_kind(objects, "Deployment")
    pod = operator["spec"]["template"]["spec"]
    assert pod["volumes"] == [{"name": "page", "secret": {"secretName": "people", "items": [{"key": "token", "path": "token"}]}}]
    assert pod["containers"][0]["volumeMounts"] == [{"name": "page", "mountPath": "/etc/elastic-inference/page", "readOnly": True}]
    (policy,) = of_kind(objects, "NetworkPolicy")
    assert {"port": "page"} in policy["spec"]["ingress"][0]["ports"]


def test_the_page_can_be_switched_off(render):
    assert seen(render({"page": {"enabled": False, "tokenSecret": "people"}})) == ([], ["metrics", "probes"], ["metrics"])
