"""What is applied to the cluster for each scaler."""
import yaml

NAMESPACE, NAME = "elastic-inference-compare", "resnet18"
SERVICE_API = "elasticinference.dev/v1alpha1"

# Every request shall be answered, however late, so that nobody's tail is cut off by a deadline or a full queue: one worker
# alone with the whole course trace would let 4,500 pile up and the last of them wait for five minutes.
REQUEST_TIMEOUT = "300s"
QUEUE_CAPACITY = 8000


def service(policy, settings):
    """The InferenceService; only the policy differs between the runs."""
    scaling = {"policy": policy, "minReplicas": settings.least, "maxReplicas": settings.most}
    if policy == "Latency":
        scaling["latencyTarget"] = settings.target
    return {
        "apiVersion": SERVICE_API,
        "kind": "InferenceService",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "scaling": scaling,
            "dispatcher": {"queueCapacity": QUEUE_CAPACITY, "requestTimeout": REQUEST_TIMEOUT},
            "worker": {"resources": {"cpu": settings.cpu, "memory": settings.memory}},
        },
    }


def autoscaler(percent, settings):
    """A HorizontalPodAutoscaler with every default that autoscaling/v2 has."""
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "scaleTargetRef": {"apiVersion": SERVICE_API, "kind": "InferenceService", "name": NAME},
            "minReplicas": settings.least,
            "maxReplicas": settings.most,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": percent}},
                }
            ],
        },
    }


# Scaler (flags.py lists them) -> the autoscaler's CPU target in percent; none for our own policy.
SCALERS = {"ours": None, "hpa70": 70, "hpa90": 90}


def of(scaler, settings):
    """The manifests of one run, as YAML."""
    percent = SCALERS[scaler]
    if percent is None:
        return yaml.safe_dump(service("Latency", settings), sort_keys=False)
    return yaml.safe_dump_all([service("External", settings), autoscaler(percent, settings)], sort_keys=False)


def prometheus_account(namespace):
    """What Prometheus may see: pods and nodes to find, their metrics to read."""
    name = "elastic-inference-compare-prometheus"
    rules = [
        {"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["nodes/metrics", "nodes/proxy", "pods/proxy"], "verbs": ["get"]},
    ]
    rbac = "rbac.authorization.k8s.io"
    return yaml.safe_dump_all(
        [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "prometheus", "namespace": namespace}},
            {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules},
            {
                "apiVersion": f"{rbac}/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": name},
                "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": "prometheus", "namespace": namespace}],
            },
        ]
    )
