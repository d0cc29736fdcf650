"""The profile `scale` of docker-compose.yml: several desks, a proxy and a replica, beside what runs without it."""

import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.test_deployment import ROOT, program, shell
from ticketcore import embedded

PROXY = (ROOT / "haproxy.cfg").read_text()


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return services


def test_without_the_profile_what_ran_before_runs(services: dict[str, Any]) -> None:
    with_it = {name for name, service in services.items() if "profiles" in service}
    assert set(services) - with_it == {"secrets", "db", "desk"}
    assert all(services[name]["profiles"] == ["scale"] for name in with_it)
    for name in ("secrets", "db", "desk"):
        assert with_it.isdisjoint(services[name].get("depends_on", ()))


def test_the_desks_are_the_desk_several_times(services: dict[str, Any]) -> None:
    one, several = services["desk"], services["desks"]
    added = {"REPLICA": "replica", "FORWARDED_ALLOW_IPS": "*"}
    assert several["environment"] == {**one["environment"], **added}
    assert several["deploy"] == {"replicas": "${DESKS:-3}"}
    own = {"environment", "profiles", "deploy"}
    assert {name: value for name, value in several.items() if name not in own} == {
        name: value for name, value in one.items() if name not in ("environment", "ports")
    }


def test_only_desks_that_nobody_reaches_past_the_proxy_believe_who_is_said_to_call(services: dict[str, Any]) -> None:
    believing = [name for name, service in services.items() if "FORWARDED_ALLOW_IPS" in service.get("environment", {})]
    assert believing == ["desks"]
    assert not {"ports", "network_mode"} & services["desks"].keys()
    assert re.search(r"^    http-request set-header X-Forwarded-For %\[src\]$", PROXY, re.MULTILINE)


def test_the_desks_are_told_of_the_replica_and_the_desk_is_not(services: dict[str, Any], tmp_path: Path) -> None:
    program(tmp_path, "streamlit", 'echo "$DATABASE_URL $DATABASE_REPLICA_URL"')
    for name in ("password", "cookie_secret"):
        (tmp_path / name).write_text("c0ffee")
    said = {
        name: shell(services[name]["command"][-1], tmp_path, tmp_path, **told).stdout.split()
        for name, told in {"desk": {}, "desks": {"REPLICA": services["desks"]["environment"]["REPLICA"]}}.items()
    }
    primary, replica = "postgresql://desk:c0ffee@db/desk", "postgresql://desk:c0ffee@replica/desk"
    assert said == {"desk": [primary], "desks": [primary, replica]}
    assert "replica" in services


def test_a_replica_or_a_proxy_that_is_gone_keeps_no_desk_from_starting(services: dict[str, Any]) -> None:
    assert set(services["desks"]["depends_on"]) == {"db"}
    assert services["replica"]["depends_on"] == {"db": {"condition": "service_healthy"}}
    assert services["proxy"]["depends_on"] == ["desks"]


def test_the_proxy_is_where_the_desk_would_be_at_another_port(services: dict[str, Any]) -> None:
    assert services["proxy"]["ports"] == ["${DESK_BIND:-127.0.0.1}:${SCALE_PORT:-8500}:8500"]
    assert 'bind "${PROXY_BIND-:8500}"' in PROXY
    assert '"desks:${DESK_PORT-8501}"' in PROXY
    assert "./haproxy.cfg:/usr/local/etc/haproxy/haproxy.cfg:ro" in services["proxy"]["volumes"]
    assert re.fullmatch(r"haproxy:\d+\.\d+-alpine", services["proxy"]["image"])


def test_there_is_room_for_more_desks_than_compose_starts(services: dict[str, Any]) -> None:
    [slots] = re.findall(r"server-template desk (\d+) ", PROXY)
    assert int(slots) >= 10
    [files] = services["proxy"]["ulimits"].values()
    [most] = re.findall(r"maxconn (\d+)", PROXY)
    assert files > 2 * int(most) + 200, "a visitor takes two: his own connection, and that to a desk"


@pytest.mark.parametrize("name", ["desk", "desks", "proxy", "replica"])
def test_what_runs_on_has_no_privileges_and_nothing_that_it_can_write(services: dict[str, Any], name: str) -> None:
    service = services[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"


def test_the_replica_is_a_postgresql_tuned_as_the_primary(services: dict[str, Any]) -> None:
    primary, replica = services["db"], services["replica"]
    assert replica["image"] == primary["image"]
    assert replica["shm_size"] == primary["shm_size"]
    [script] = replica["command"]
    told = dict(re.findall(r"-c (\w+)=(\S+)", script))
    assert told.items() >= embedded.OPTIONS.items()
    asked = dict(re.findall(r"-c (\w+)=(\S+)", primary["command"]))
    assert told["hba_file"] == asked["hba_file"] == "/run/desk/pg_hba.conf"
    assert replica["volumes"] == ["replica:/var/lib/postgresql/data", "secrets:/run/desk:ro"]
    assert replica["user"] == "postgres"
    assert replica["init"] is True, "else the watch beside the server would be the server's child"


def test_a_replica_that_is_gone_does_not_fill_the_disk_of_the_primary(services: dict[str, Any]) -> None:
    assert "-c max_slot_wal_keep_size=4GB" in services["db"]["command"]


def test_who_comes_from_another_host_has_to_know_the_password(services: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        program(Path(folder), "chown", ":")
        assert shell(services["secrets"]["command"][0], Path(folder), Path(folder)).returncode == 0
        rules = (Path(folder) / "pg_hba.conf").read_text().splitlines()
        assert (Path(folder) / "pg_hba.conf").stat().st_mode & 0o777 == 0o444
    assert [rule.split()[0] for rule in rules] == ["local", "host"]
    assert [rule.split()[-1] for rule in rules] == ["trust", "scram-sha-256"]


def test_every_script_is_one_that_a_shell_understands(services: dict[str, Any]) -> None:
    for name, service in services.items():
        if (service.get("entrypoint") or service.get("command") or [""])[0] == "sh":
            script = service["command"][-1].replace("$$", "$")
            checked = subprocess.run(["sh", "-n"], input=script, capture_output=True, text=True, check=False)
            assert checked.returncode == 0, (name, checked.stderr)


def test_continuous_integration_installs_what_the_tests_of_the_proxy_run() -> None:
    assert "[ -x /usr/sbin/haproxy ] || missing+=(haproxy)" in (ROOT / ".ci" / "run").read_text()
