"""Whoever watches the desk learns whether the process lives and whether its database answers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from ticketcore import api, embedded, founding, settings
from ticketcore.chain import Chain
from ticketcore.classifier import Classifier
from ticketcore.database import Database
from ticketcore.desk import Desk
from ticketcore.embedded import EmbeddedServer

QUICK = {**embedded.OPTIONS, "fsync": "off"}


@pytest.fixture
def private(tmp_path: Path) -> Iterator[list[EmbeddedServer]]:
    """A server of the test's own, which it may stop and start again: the last of the list is the one that runs."""
    servers = [EmbeddedServer(tmp_path / "desk", options=QUICK)]
    yield servers
    servers[-1].stop()


@pytest.mark.parametrize("slash", ["", "/"], ids=["without slash", "with slash"])
def test_a_desk_with_its_database_is_alive_and_ready(client: TestClient, slash: str) -> None:
    for question in ("live", "ready"):
        answer = client.get(f"/api/health/{question}{slash}")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"


def test_a_desk_without_its_database_lives_but_is_not_ready_and_recovers_by_itself(
    private: list[EmbeddedServer], tmp_path: Path
) -> None:
    founding.migrate(private[0].url)
    chosen = settings.read({})
    desk = Desk(chosen, Database(private[0].url), Chain(Classifier(chosen)))
    with TestClient(api.build(lambda: desk)) as client:
        filed = client.post("/tickets/", json={"title": "A", "description": "B"}).json()
        assert client.get("/health/ready").status_code == 200
        private[0].stop()
        assert client.get("/health/live").status_code == 200
        for method, path, body in (
            ("GET", "/health/ready", None),
            ("GET", "/tickets/", None),
            ("GET", f"/tickets/{filed['id']}/", None),
            ("POST", "/tickets/", {"title": "A", "description": "B"}),
            ("PATCH", f"/tickets/{filed['id']}/", {"status": "closed"}),
            ("GET", "/tickets/stats/", None),
        ):
            answer = client.request(method, path, json=body)
            assert answer.status_code == 503, (method, path)
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["retry-after"]) > 0
            assert "reached" in answer.json()["detail"]
            assert not any(word in answer.text for word in ("psycopg2", "socket", str(tmp_path)))
        assert client.post("/tickets/classify/", json={"description": "B"}).status_code == 200
        assert client.post("/tickets/", json={"title": ""}).status_code == 422
        private.append(EmbeddedServer(tmp_path / "desk", options=QUICK))
        assert client.get("/health/ready").status_code == 200
        assert client.get("/tickets/").json() == [filed]
    desk.close()
