"""New weights for a service that is in use, on a node with real pods and a volume that the weights lie on."""

import threading

import pytest

from bench.waiting import eventually
from tests.cluster.core import worker_rate
from tests.cluster.installed import CLAIMS, installation, load, pictures, release, serve, service, status_of  # noqa: F401 (fixtures)
from tests.process.noted_weights import weights

pytestmark = pytest.mark.alone


@pytest.fixture
def volume(release, namespace, tmp_path):
    """A folder of this machine that the claim `weights` names."""
    if not release.provisioned:
        pytest.skip("puts weights into a folder of the node, which another cluster has elsewhere")
    folder = tmp_path / "weights"
    folder.mkdir(mode=0o755)
    size = {"storage": "1Gi"}
    shared = {"accessModes": ["ReadOnlyMany"], "storageClassName": ""}
    claim = {"name": "weights", "namespace": namespace}
    spec = {**shared, "capacity": size, "hostPath": {"path": str(folder), "type": "Directory"}, "claimRef": claim}
    release.apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": namespace}, "spec": spec}, namespace)
    wanted = {**shared, "resources": {"requests": size}, "volumeName": namespace}
    meta = {"name": "weights", "labels": {CLAIMS: "yes"}}
    release.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": wanted}, namespace)
    yield folder
    release.kubectl("delete", "pv", namespace, "--wait=false")


class Watched:
    """How many workers of a Deployment are ready, looked at every second until end()."""

    def __init__(self, release, namespace, deployment):
        self.ready, self.ending = [], threading.Event()
        self.ask = lambda: release.get("deploy", deployment, "-n", namespace)["status"].get("readyReplicas", 0)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        while not self.ending.wait(1):
            self.ready.append(self.ask())

    def end(self):
        self.ending.set()
        self.thread.join()
        return self.ready


def test_new_weights_take_over_under_load_with_every_worker_ready_and_every_request_answered(release, namespace, serve, load, volume):
    versions = [weights(volume / f"{each}.safetensors", each)[1] for each in ("old", "new")]
    model = {"uri": "pvc://weights/old.safetensors"}
    name = serve(service("renewed", {"minReplicas": 2, "maxReplicas": 2, "latencyTarget": "2s"}, model=model))
    eventually(lambda: release.kubectl("wait", "-n", namespace, "--for=condition=WorkersReady", f"eis/{name}", "--timeout=5s"), 60)
    watched = Watched(release, namespace, f"{name}-worker")
    try:
        running = load(name, round(min(4, worker_rate()), 1), 75)
        patch = '{"spec": {"model": {"uri": "pvc://weights/new.safetensors"}}}'
        release.kubectl("patch", "eis", name, "-n", namespace, "--type=merge", "-p", patch)

        def arrived():
            now = release.get("eis", name, "-n", namespace)
            conditions = {each["type"]: each for each in now["status"]["conditions"]}
            assert now["status"]["model"]["version"] == versions[1]
            assert (conditions["Reconciling"]["status"], conditions["Ready"]["status"]) == ("False", "True")
            assert conditions["Ready"]["observedGeneration"] == now["metadata"]["generation"]

        eventually(arrived, 150, 1)
        seen = running.result()
    finally:
        ready = watched.end()
    assert set(seen["statuses"]) == {"200"}, seen
    assert set(seen["versions"]) == set(versions), seen
    assert min(ready) >= 2, ready
    after = load(name, rate=2, seconds=5).result()
    assert after["versions"] == {versions[1]: 10}, after
