"""What the real helm makes of the chart, held against Kubernetes' own description, the program, and an API server."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.cli import main
from app.config.load import load
from app.core.limit.threshold import Threshold
from tests.conftest import SECRET
from tests.deploy.helmtools import ChartError, Cluster, cluster, find_tools, named, pod_specs, render
from tests.deploy.kubeschemas import LOCATION, write_schemas
from tests.deploy.values import CHART
from tests.guides.blocks import block

ROOT = Path(__file__).parents[2]
GUIDE = "docs/install/kubernetes.md"

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

EVERYTHING: dict[str, Any] = {
    "secret": {"name": "mine", "keys": ["webhook_secret", "session_secret", "relay_secret", "smtp_url", "coder_token"]},
    "settings": {
        "coder_url": "https://coder.example.com",
        "limit": 12_345_678,
        "thresholds": ["75%", "90% if projected"],
        "dry_run": True,
        "email_from": "AWB <awb@example.com>",
        "email_to": ["Ops <ops@example.com>", "head@example.com"],
        "relay": "email",
        "forward": [{"name": "teams", "url": "https://hooks.example.com/coder", "templates": ["Task *"]}],
        "burst": {"builds": 5, "hours": 2},
        "routes": [{"name": "over", "levels": [">=100%"], "receivers": ["email:*"]}],
        "repeat_days_by_level": {"90%": 7},
        "deployment_settings": {"team-a": {"limit": 500, "ai_templates": ["claude"]}},
    },
    "rules": (ROOT / "config/rules.toml").read_text(encoding="utf-8"),
    "workers": {
        "relays": {"queues": ["awb-relay", "awb-passcodes", "awb-forward"], "replicas": 2},
        "deliveries": {"autoscaling": {"enabled": True, "maxReplicas": 6}},
    },
    "autoscaling": {"prometheusAddress": "http://prometheus.monitoring:9090"},
    "valkey": {"enabled": True, "storageClass": "fast"},
    "ingress": {
        "enabled": True,
        "className": "nginx",
        "annotations": {"example.com/a": "b"},
        "host": "coder.example.com",
        "path": "/awb",
        "tlsSecretName": "tls",
    },
    "metrics": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
    "networkPolicy": {
        "from": [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "coder"}}}],
        "metricsFrom": [{"namespaceSelector": {}}],
        "egress": [{"ports": [{"port": 443}]}],
    },
    "serviceAccount": {"annotations": {"example.com/a": "b"}},
    "podLabels": {"team": "platform"},
    "podAnnotations": {"example.com/a": "b"},
    "imagePullSecrets": [{"name": "registry"}],
    "priorityClassName": "high",
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ca"}],
}
MINIMAL: dict[str, Any] = {
    "web": {"replicas": 1},
    "workers": {"others": None, "deliveries": {"queues": ["awb-deliveries", "awb-notifications", "awb-maintenance"]}},
    "podDisruptionBudget": {"enabled": False},
    "networkPolicy": {"enabled": False},
    "serviceAccount": {"create": False},
    "runAsUser": None,
}
#: The guide adds a group of workers for relays together with a setting that needs it, and its secret.
RELAYS: dict[str, Any] = {
    "secret": {"keys": ["webhook_secret", "session_secret", "redis_url", "relay_secret", "smtp_url"]},
    "settings": {"relay": "email", "email_from": "coder@example.com"},
    **yaml.safe_load(block(GUIDE, "Scale", 2)),
}
VALUES = {
    "defaults": {},
    "minimal": MINIMAL,
    "everything": EVERYTHING,
    "the guide's": yaml.safe_load(block(GUIDE, "Configure")),
    "the guide's scaling": yaml.safe_load(block(GUIDE, "Scale")),
    "the guide's relays": RELAYS,
}


@pytest.fixture(scope="module")
def tools() -> Path:
    return find_tools()


@pytest.fixture(scope="module")
def schemas(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("schemas")
    write_schemas(tools / "swagger.json", [tools / "scaledobject.yaml", tools / "servicemonitor.yaml"], folder)
    return folder


@pytest.fixture(params=VALUES.values(), ids=VALUES)
def rendered(tools: Path, request: pytest.FixtureRequest) -> list[Mapping[str, Any]]:
    return render(tools, request.param)


def conform(tools: Path, schemas: Path, objects: Any) -> "subprocess.CompletedProcess[str]":
    command = [tools / "kubeconform", "-strict", "-summary", "-output", "json", "-schema-location", schemas / LOCATION]
    text = yaml.safe_dump_all(objects)
    return subprocess.run([*map(str, command), "-"], input=text, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_helm_finds_nothing_wrong(tools: Path, values: dict[str, Any]) -> None:
    command = [tools / "helm", "lint", "--strict", CHART, "--values", "-"]
    done = subprocess.run(command, input=yaml.safe_dump(values), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_object_is_valid(tools: Path, schemas: Path, rendered: list[Mapping[str, Any]]) -> None:
    said = conform(tools, schemas, rendered)
    assert said.returncode == 0, said.stdout
    assert json.loads(said.stdout)["summary"] == {"valid": len(rendered), "invalid": 0, "errors": 0, "skipped": 0}


def test_the_check_of_objects_sees_a_misspelt_field(tools: Path, schemas: Path) -> None:
    objects = render(tools, {})
    for object_ in objects:
        if object_["kind"] == "Deployment":
            object_["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    assert "livenesProbe" in conform(tools, schemas, objects).stdout


def test_everything_renders_every_kind(tools: Path) -> None:
    kinds = {one["kind"] for one in render(tools, EVERYTHING)}
    assert kinds >= {"ScaledObject", "ServiceMonitor", "StatefulSet", "Ingress", "NetworkPolicy", "PodDisruptionBudget"}
    assert "Secret" not in kinds


def test_no_pod_may_do_more_than_it_has_to(rendered: list[Mapping[str, Any]]) -> None:
    for name, pod in pod_specs(rendered):
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name


def test_commands_of_pods_are_commands_of_awb(rendered: list[Mapping[str, Any]]) -> None:
    seen = []
    for name, pod in pod_specs(rendered):
        if name.endswith("-valkey"):
            continue
        (container,) = pod["containers"]
        probe = container.get("livenessProbe", {}).get("exec", {}).get("command", [])
        assert probe[:1] in ([], ["awb"])
        for words in (container["args"], probe[1:]):
            if words:
                command = main.commands[words[0]]
                # It raises for arguments that the command does not take.
                command.make_context(words[0], list(words[1:]), resilient_parsing=False)
                seen.append(words[0])
    assert {"web", "worker", "scheduler", "doctor", "healthcheck"} == set(seen)


def test_receivers_are_replaced_without_a_gap(tools: Path) -> None:
    web = named(render(tools, {"web": {"drainSeconds": 7}}), "Deployment", "awb-web")["spec"]
    assert web["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    pod = web["template"]["spec"]
    assert pod["containers"][0]["lifecycle"]["preStop"] == {"sleep": {"seconds": 7}}
    assert pod["terminationGracePeriodSeconds"] > 7 + load(environ={}).settings.grace_seconds


def test_settings_arrive_as_they_were_written(tools: Path) -> None:
    data = named(render(tools, EVERYTHING), "ConfigMap", "awb")["data"]
    rules = ROOT / "config/rules.toml"
    environ = {**data, "AWB_RULES": str(rules), "AWB_WEBHOOK_SECRET": SECRET, "AWB_CODER_TOKEN": "x"}
    settings = load(environ={**environ, "AWB_SMTP_URL": "smtp://mail.example.com"}).settings
    assert settings.limit == 12_345_678
    assert settings.thresholds == [Threshold.parse("75%"), Threshold.parse("90% if projected")]
    assert (settings.dry_run, settings.relay, settings.burst.builds) == (True, "email", 5)
    assert len(settings.email_to) == 2
    assert settings.forward[0].name == "teams"
    assert settings.routes[0].receivers == ("email:*",)
    assert settings.repeat_days_by_level == {"90%": 7}
    assert settings.deployment_settings["team-a"].limit == 500
    assert settings.public_url == "https://coder.example.com/awb"
    assert settings.metrics_bind == "0.0.0.0:9787"


def test_every_key_of_the_secret_is_a_file_that_its_setting_names(tools: Path) -> None:
    for _name, pod in pod_specs(render(tools, {})):
        (container,) = pod["containers"]
        named_files = {one["name"]: one["value"] for one in container["env"] if one["name"].endswith("_FILE")}
        keys = ["webhook_secret", "session_secret", "redis_url"]
        assert named_files == {f"AWB_{key.upper()}_FILE": f"/run/secrets/awb-meter/{key}" for key in keys}
        assert "/run/secrets/awb-meter" in [one["mountPath"] for one in container["volumeMounts"]]


@pytest.mark.parametrize("change", [{"settings": {"limit": 5}}, {"rules": "# other\n"}], ids=["settings", "rules"])
def test_a_changed_setting_rolls_the_pods(tools: Path, change: dict[str, Any]) -> None:
    def annotations(values: dict[str, Any]) -> list[Any]:
        objects = [one for one in render(tools, values) if one["kind"] == "Deployment"]
        return [one["spec"]["template"]["metadata"]["annotations"] for one in objects]

    before, after = annotations({}), annotations(change)
    assert len(before) == 4
    assert all(old != new for old, new in zip(before, after, strict=True))
    assert annotations({"web": {"replicas": 5}}) == before


def test_workers_are_scaled_by_the_age_of_their_queues(tools: Path) -> None:
    objects = render(tools, EVERYTHING)
    scaled = named(objects, "ScaledObject", "awb-worker-deliveries")["spec"]
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (1, 6)
    (trigger,) = scaled["triggers"]
    query = 'max(awb_queue_oldest_age_seconds{queue=~"awb-deliveries",namespace="coder"})'
    assert (trigger["metadata"]["query"], trigger["metadata"]["threshold"]) == (query, "30")
    # Who scales decides on the number; an upgrade must not set it back.
    assert "replicas" not in named(objects, "Deployment", "awb-worker-deliveries")["spec"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"settings": {"limits": 5}}, "additional properties 'limits' not allowed"),
        ({"secret": {"keys": ["webhook_secret", "redis_url"]}}, "secret.keys: session_secret is missing"),
        ({"secret": {"keys": ["webhook_secret", "session_secret"]}}, "secret.keys: redis_url is missing"),
        ({"valkey": {"enabled": True}}, "redis_url has no use with valkey.enabled"),
        ({"settings": {"relay": "email"}}, "no group works on the queue awb-relay"),
        ({"settings": {"forward": [{"name": "a"}]}}, "no group works on the queue awb-forward"),
        ({"workers": {"others": None}}, "no group works on the queue awb-notifications"),
        ({"workers": {"deliveries": {"autoscaling": {"enabled": True}}}}, "set autoscaling.prometheusAddress"),
        ({"ingress": {"enabled": True}}, "ingress.host: name the host"),
    ],
    ids=str,
)
def test_values_that_cannot_work_are_refused_with_what_to_do(tools: Path, values: dict[str, Any], said: str) -> None:
    with pytest.raises(ChartError, match=said.replace(".", r"\.")):
        render(tools, values)


@pytest.fixture(scope="module")
def kubernetes(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A real API server with KEDA's and the Prometheus operator's resources."""
    with cluster(tools, tmp_path_factory.mktemp("cluster")) as made:
        made.ok("kubectl create namespace coder; kubectl create namespace other", ROOT)
        made.ok("kubectl create priorityclass high --value 1000", ROOT)
        made.ok(f"kubectl create -f {tools}/scaledobject.yaml -f {tools}/servicemonitor.yaml", ROOT)
        made.ok("kubectl wait --for condition=established --timeout 60s crd --all", ROOT)
        yield made


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_an_api_server_takes_every_object(kubernetes: Cluster, tmp_path: Path, values: dict[str, Any]) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    said = kubernetes.ok(f"helm -n other install awb {CHART} --values {file} --dry-run=server", ROOT)
    assert "is installed as awb." in said
    render_and_apply = (
        f"helm -n other template awb {CHART} --values {file} | kubectl -n other apply --dry-run=server -f -"
    )
    assert "deployment.apps/awb-web created (server dry run)" in kubernetes.ok(render_and_apply, ROOT)


def test_the_guide_works_as_written(kubernetes: Cluster, tmp_path: Path) -> None:
    """All of its commands but those that wait for pods, for nothing runs pods here."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "deploy").symlink_to(ROOT / "deploy")
    (checkout / "values.yaml").write_text(block(GUIDE, "Configure"), encoding="utf-8")
    for text in (
        block(GUIDE, "Install"),
        block(GUIDE, "Install", 2),
        block(GUIDE, "Connect Coder", 2),
        block(GUIDE, "Configure", 2),
    ):
        kubernetes.ok(text, checkout)
    url = kubernetes.ok(
        "kubectl -n coder get secret awb-meter-endpoint -o jsonpath='{.data.url}' | base64 -d", checkout
    )
    webhook_secret = kubernetes.ok(
        "kubectl -n coder get secret awb-meter -o jsonpath='{.data.webhook_secret}' | base64 -d", checkout
    )
    assert url == f"http://coder:{webhook_secret}@awb-meter.coder.svc/v1/webhook"
    assert kubernetes.ok("kubectl -n coder get ingress awb-meter -o jsonpath='{.spec.rules[0].host}'", checkout)
    kubernetes.ok("helm -n coder uninstall awb-meter && kubectl -n coder delete secret awb-meter", checkout)
    assert (
        kubernetes.ok(
            "kubectl -n coder get deployments,services,configmaps -o name -l app.kubernetes.io/name", checkout
        )
        == ""
    )
    kubernetes.ok(block(GUIDE, "A Valkey of its own"), checkout)
    assert "awb-meter-valkey" in kubernetes.ok("kubectl -n coder get statefulsets -o name", checkout)


def test_coder_reads_its_endpoint_from_the_secret_that_the_guide_makes(kubernetes: Cluster, tmp_path: Path) -> None:
    (wanted,) = [
        one["valueFrom"]["secretKeyRef"]
        for one in yaml.safe_load(block(GUIDE, "Connect Coder"))["coder"]["env"]
        if one["name"] == "CODER_NOTIFICATIONS_WEBHOOK_ENDPOINT"
    ]
    made = block(GUIDE, "Connect Coder", 2)
    assert f"secret generic {wanted['name']} --from-literal={wanted['key']}=" in made
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "coder"}}
    container = {"name": "coder", "image": "coder", **yaml.safe_load(block(GUIDE, "Connect Coder"))["coder"]}
    file = tmp_path / "pod.yaml"
    file.write_text(yaml.safe_dump({**pod, "spec": {"containers": [container]}}), encoding="utf-8")
    kubernetes.ok(f"kubectl -n other create --dry-run=server -f {file}", ROOT)


def test_an_ingress_beside_coders_own_is_taken_as_the_guide_has_it(kubernetes: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "ingress.yaml"
    file.write_text(block("docs/behind-a-path.md", "Kubernetes, beside Coder's Ingress"), encoding="utf-8")
    assert "ingress.networking.k8s.io/awb-meter created" in kubernetes.ok(
        f"kubectl -n other create --dry-run=server -f {file}", ROOT
    )
