"""What an operator has of trilog-router: its admin port, its settings changed while it runs."""

import signal

import pytest

from admin_port import ask, post
from cluster import wait_until
from message import Connection
from metric_text import read_metrics
from records import Sender
from routers import SiteRouters, events, state, wait_ready
from topics import create_topic

pytestmark = [pytest.mark.trilog_only, pytest.mark.direct_only]


@pytest.fixture(scope="module")
def site():
    with SiteRouters("routers").while_used() as running:
        yield running


@pytest.fixture
def router(site):
    """The first; its settings are as they were when the test ends."""
    one = site.routers[0]
    yield one
    site.configure_router(one, {})
    assert post(one.admin, "/v1/router/reload", {}).status == 200


def metrics(router):
    answer = ask(router.admin, "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return read_metrics(answer.body.decode())


def ask_versions(connection):
    return connection.call("ApiVersions", 0)["error_code"]


# ---- the admin port ----

def test_a_router_tells_whether_it_lives_and_is_ready(router):
    assert ask(router.admin, "/livez").json == {"alive": True, "reasons": []}
    assert ask(router.admin, "/readyz").json == {"ready": True, "reasons": []}
    assert ask(router.admin, "/readyz", "HEAD").status == 200


def test_it_tells_who_it_is_and_which_nodes_it_knows(router, site):
    wait_until(lambda: len(state(router)["nodes"]) == 3, 30, "all nodes are known")
    seen = state(router)
    assert (seen["router_id"], seen["site"], seen["environment"]) == (router.id, "a", "production")
    assert {n["address"] for n in seen["nodes"]} == {n.address for n in site.nodes}
    assert all(n["up"] for n in seen["nodes"])


def test_what_goes_through_it_is_counted(router, site, name):
    topic = create_topic(site, name)
    sender = Sender(site, topic, bootstrap_servers=router.address)
    for i in range(10):
        sender.send(b"x" * 1000)
    sender.producer.flush(60)
    assert len(sender.acknowledged) == 10
    def counted():
        families = metrics(router)
        return families["trilog_router_requests_total"].value(api="Produce") >= 1
    wait_until(counted, 30, "the board is written")
    seen = metrics(router)
    assert seen["trilog_router_request_bytes_total"].value() > 10_000
    assert seen["trilog_router_connections"].value() >= 1
    assert {"client_ended", "unknown_fate"} <= seen["trilog_router_errors_total"].labels("kind")
    assert len(seen["trilog_router_node_up"].samples) == 3


def test_its_port_refuses_what_the_nodes_port_refuses(router):
    assert ask(router.admin, "/nowhere").error == "no_such_path"
    assert ask(router.admin, "/v1/router", "POST", {}).error == "wrong_method"
    assert ask(router.admin, "/v1/router/reload").error == "wrong_method"
    assert ask(router.admin, "/v1/router", headers={"Host": "evil.example"}).error == "foreign_host"
    assert post(router.admin, "/v1/router/reload", {"file": "x"}).error == "unknown_field"


# ---- settings ----

def test_settings_change_while_a_connection_stays(router, site):
    with Connection(router) as c:
        assert ask_versions(c) == 0
        before = state(router)["settings"]["number"]
        site.configure_router(router, {"environment": "changed", "hold_ms_max": "7 s"})
        assert post(router.admin, "/v1/router/reload", {}).json == {"number": before + 1}
        assert state(router)["environment"] == "changed"
        wait_until(lambda: state(router)["settings"]["in_force"], 30, "all shards have them")
        assert ask_versions(c) == 0


def test_a_signal_reads_the_settings_again(router, site):
    before = state(router)["settings"]["number"]
    site.configure_router(router, {"environment": "by-signal"})
    router.process.send_signal(signal.SIGHUP)
    wait_until(lambda: state(router)["settings"]["number"] == before + 1, 30, "the signal is heeded")
    assert state(router)["environment"] == "by-signal"


@pytest.mark.parametrize("wrong, status, words", [
    ({"hold_ms_max": "1 year"}, 400, "hold_ms_max"),
    ({"shards": "17"}, 409, "shards can't change while the router runs")])
def test_wrong_settings_change_nothing_and_are_told(router, site, wrong, status, words):
    before = state(router)
    told = len(events(router, "settings_refused"))
    site.configure_router(router, {"environment": "half", **wrong})
    answer = post(router.admin, "/v1/router/reload", {})
    assert answer.status == status
    assert words in answer.json["message"]
    after = state(router)
    assert (after["settings"], after["environment"]) == (before["settings"], before["environment"])
    assert len(events(router, "settings_refused")) == told + 1
    assert words in events(router, "settings_refused")[-1]
    wait_ready(router)
