"""The operator's live page: in a real browser, and as what programs read."""
import json
import threading

import pytest
import requests

from bench.processes import free_port
from bench.waiting import wait_until
from tests.process.clients import run_browser
from tests.process.local import Load, LocalOperator, manifest
from tests.process.plain_json import read_json

HOSTILE = "<img src=x onerror=document.title='owned'>"


@pytest.fixture
def start_page(start_operator):
    """An operator with its page, on a port of its own where none is named."""
    return lambda documents, *flags, page_port=0, **options: start_operator(documents, "--page-port", str(page_port), *flags, **options)


def url_of(operator):
    return f"http://127.0.0.1:{operator.ports['page']}"


def get(operator, path, **headers):
    return requests.get(url_of(operator) + path, headers=headers, timeout=10)


def events_of(answer):
    """The objects of a stream, one by one."""
    for line in answer.iter_lines():
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


def when(marker, act):
    """Acts as soon as the browser's code has made that file: how long a browser takes to start is anybody's guess. Join it."""
    def wait_and_act():
        wait_until(marker.exists, 120, f"{marker.name} from the browser")
        act()
    thread = threading.Thread(target=wait_and_act, daemon=True)
    thread.start()
    return thread


def test_the_list_shows_a_service_and_a_scale_up_within_two_seconds(start_page, tmp_path):
    operator = start_page(manifest(scaling={"maxReplicas": 2}))
    operator.wait_ready()
    with requests.get(url_of(operator) + "/api/v1/streams/services", stream=True, timeout=120) as answer:
        stream = events_of(answer)
        # The bound is moved, as nothing else is so sure to scale up.
        edit = when(tmp_path / "seen", lambda: operator.write(manifest(scaling={"minReplicas": 2, "maxReplicas": 2})))
        faults = run_browser("""
            page.goto(args[0])
            row = page.get_by_role("row").filter(has_text="resnet18")
            expect(row).to_contain_text("ready")
            expect(row).to_contain_text("1/1")
            expect(page.locator("#count")).to_have_text("1 service")
            open(args[1], "w").close()
            expect(row).to_contain_text("2/2")
            row.get_by_role("link").click()
            expect(page.get_by_role("heading", name="resnet18")).to_be_visible()
            expect(page.locator(".decisions")).to_contain_text("1 → 2")
            expect(page.locator(".chart canvas")).to_have_count(4)
            out = faults
            """, url_of(operator), str(tmp_path / "seen"))
        edit.join()
        assert faults == []
        # How late a browser hears of it, whatever its own speed: the moment of the event beside the second of the sample.
        event, second = next((event, sample[0]) for event in stream for row in event["rows"] for sample in row["samples"] if sample[5] == 2)
    assert event["now"] / 1000 - second <= 2


def test_a_decision_s_explanation_is_what_the_status_says_of_it(start_page):
    operator = start_page(manifest(scaling={"maxReplicas": 2}))
    operator.wait_ready()
    operator.write(manifest(scaling={"minReplicas": 2, "maxReplicas": 2}))
    operator.wait_ready(workers=2)
    last = wait_until(lambda: operator.status().get("history"))[0]
    out = run_browser("""
        page.goto(args[0] + "/#/default/resnet18")
        expect(page.locator(".decisions button")).not_to_have_count(0)
        page.locator(".decisions button").filter(has_text="→").first.click()
        explanation = page.locator(".explanation")
        expect(explanation).to_contain_text("Rule:")
        out = [explanation.inner_text(), faults]
        """, url_of(operator))
    text, faults = out
    assert faults == []
    assert f"{last['reason']}: goes from {last['from']} to {last['to']}" in text
    assert f"decision {last['id']}" in text
    assert last["formula"] in text
    assert "Why not more:" in text and "Why not fewer:" in text
    page = get(operator, "/api/v1/services/default/resnet18").json()
    newest, = [each for each in page["decisions"] if each["id"] == last["id"]]
    assert {name: newest[name] for name in ("from", "to", "reason", "formula")} == {
        name: last[name] for name in ("from", "to", "reason", "formula")}
    assert json.loads(page["manifest"])["scaling"]["minReplicas"] == 2


def test_the_page_comes_back_by_itself_after_the_operator_restarts(start_page, tmp_path):
    port = free_port()
    first = start_page(manifest(name="first"), page_port=port)
    first.wait_ready("first")
    stop = when(tmp_path / "seen", lambda: first.stop(30))
    # On the same port, as behind a Service.
    start = when(tmp_path / "lost", lambda: start_page(manifest(name="second"), page_port=port))
    out = run_browser("""
        page.goto(args[0])
        expect(page.get_by_role("row").filter(has_text="first")).to_be_visible()
        open(args[1], "w").close()
        expect(page.locator("#link")).to_contain_text("does not answer")
        open(args[2], "w").close()
        expect(page.locator("#link")).to_have_text("live")
        expect(page.get_by_role("row").filter(has_text="second")).to_be_visible()
        expect(page.get_by_role("row").filter(has_text="first")).to_have_count(0)
        out = True
        """, f"http://127.0.0.1:{port}", str(tmp_path / "seen"), str(tmp_path / "lost"))
    stop.join()
    start.join()
    assert out


def test_what_a_user_wrote_is_text_on_the_page(start_page):
    operator = start_page(manifest(model={"uri": "file:///nowhere/" + HOSTILE.replace(" ", "%20")}), fake=False)
    wait_until(lambda: operator.condition("WorkersReady")["reason"] not in ("", "Starting"), 60, "the worker's last words")
    out = run_browser("""
        page.goto(args[0])
        expect(page.get_by_role("row").filter(has_text="trouble")).to_be_visible()
        page.get_by_label("Filter").fill("resnet" )
        page.goto(args[0] + "/#/default/resnet18")
        expect(page.locator(".conditions")).to_contain_text("nowhere")
        page.get_by_text("The spec in force").click()
        expect(page.locator(".manifest")).to_contain_text("onerror")
        page.goto(args[0] + "/#/default/" + args[1])
        expect(page.locator("#link")).to_contain_text("there is no service")
        out = [page.title(), page.locator("img").count(), [fault for fault in faults if "404" not in fault]]
        """, url_of(operator), HOSTILE.replace("/", "%2F").replace(" ", "%20"))
    title, images, faults = out
    assert "owned" != title and images == 0 and faults == []


def test_nothing_serious_keeps_people_from_using_it(start_page):
    operator = start_page([manifest(name=f"service-{i}", scaling={"maxReplicas": 1}) for i in range(2)])
    operator.wait_ready("service-0")
    out = run_browser("""
        from axe_playwright_python.sync_playwright import Axe
        serious = []
        def judge(where):
            for fault in Axe().run(page).response["violations"]:
                if fault["impact"] in ("serious", "critical"):
                    serious.append([where, fault["id"], [node["html"] for node in fault["nodes"]][:3]])
        widths = []
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.goto(args[0] + "/#/")
            expect(page.get_by_role("row").filter(has_text="service-1")).to_be_visible()
            judge("list, " + scheme)
            page.goto(args[0] + "/#/default/service-0")
            expect(page.locator(".chart canvas")).to_have_count(4)
            judge("service, " + scheme)
            for width in (360, 768, 2560):
                page.set_viewport_size({"width": width, "height": 800})
                page.wait_for_timeout(300)
                widths.append([width, page.evaluate("document.documentElement.scrollWidth")])
        # By keyboard alone: sort the list, open a service, open a decision.
        page.set_viewport_size({"width": 1280, "height": 900})
        page.goto(args[0] + "/#/")
        expect(page.get_by_role("row").filter(has_text="service-1")).to_be_visible()
        page.get_by_label("Filter").focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("columnheader").first).to_have_attribute("aria-sort", "descending")
        expect(page.locator(".row").filter(has_text="service-1").locator("a")).to_be_visible()
        page.get_by_role("link", name="service-1").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="service-1")).to_be_visible()
        page.locator(".decisions button").first.focus()
        page.keyboard.press("Enter")
        expect(page.locator(".explanation")).to_contain_text("Why not")
        out = [serious, widths, faults]
        """, url_of(operator))
    serious, widths, faults = out
    assert serious == []
    assert [width for width, content in widths if content > width] == []
    assert faults == []


def test_with_a_token_the_page_asks_for_it(start_page, tmp_path):
    token = tmp_path / "token"
    token.write_text("open sesame\n")
    operator = start_page(manifest(), "--page-token-file", str(token))
    operator.wait_ready()
    out = run_browser("""
        page.goto(args[0])
        page.get_by_label("bearer token").fill("wrong")
        page.get_by_role("button", name="Open").click()
        expect(page.get_by_label("bearer token")).to_have_value("")
        page.get_by_label("bearer token").fill("open sesame")
        page.get_by_role("button", name="Open").click()
        expect(page.get_by_role("row").filter(has_text="resnet18")).to_be_visible()
        out = True
        """, url_of(operator))
    assert out
    for path in ("/api/v1/services", "/api/v1/services/default/resnet18", "/api/v1/streams/services"):
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic open sesame"}):
            refused = get(operator, path, **headers)
            assert refused.status_code == 401 and refused.headers["WWW-Authenticate"] == "Bearer"
            assert "resnet18" not in refused.text
    assert get(operator, "/api/v1/services", Authorization="Bearer open sesame").status_code == 200
    # A mounted Secret changes under the operator. Who reads with the old one is not read to any more.
    with requests.get(url_of(operator) + "/api/v1/streams/services", headers={"Authorization": "Bearer open sesame"}, stream=True, timeout=10) as old:
        stream = events_of(old)
        next(stream)
        token.write_text("another\n")
        assert len(list(stream)) <= 1
    assert get(operator, "/api/v1/services", Authorization="Bearer open sesame").status_code == 401
    assert get(operator, "/api/v1/services", Authorization="Bearer another").status_code == 200


def test_another_site_cannot_read_it_under_a_name_of_its_own(start_page):
    operator = start_page(manifest())
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", ""):
        assert get(operator, "/api/v1/services", Host=host).status_code in (400, 421), host
    for host in ("localhost", f"localhost:{operator.ports['page']}", "127.0.0.1", "[::1]:80"):
        assert get(operator, "/api/v1/services", Host=host).status_code == 200, host
    page = get(operator, "/")
    assert "unsafe-inline" not in page.headers["Content-Security-Policy"]
    assert "<script>" not in page.text and "style=" not in page.text


def test_a_wrong_question_is_answered_with_what_is_allowed(start_page):
    operator = start_page(manifest())
    refused = get(operator, "/api/v1/services?sort=age")
    assert refused.status_code == 400 and "sort is 'age'" in refused.json()["detail"]
    assert get(operator, "/api/v1/streams/services?limit=1000").status_code == 400
    assert get(operator, "/api/v1/services/default/other").status_code == 404
    assert requests.post(url_of(operator) + "/api/v1/services", timeout=10).status_code == 405


def test_viewers_are_bounded_and_the_others_are_told(start_page):
    operator = start_page(manifest())
    open_streams = [requests.get(url_of(operator) + "/api/v1/streams/services", stream=True, timeout=10) for _ in range(32)]
    assert {answer.status_code for answer in open_streams} == {200}
    refused = get(operator, "/api/v1/streams/services")
    assert refused.status_code == 503 and refused.headers["Retry-After"] == "5"
    open_streams.pop().close()
    wait_until(lambda: requests.get(url_of(operator) + "/api/v1/streams/services", stream=True, timeout=10).status_code == 200)
    for answer in open_streams:
        answer.close()


def test_the_page_is_small(start_page):
    operator = start_page(manifest())
    files = ["/", "/page.css", "/page.js", "/charts.js", "/stream.js", "/trial.js", "/elements.js", "/uplot.js", "/uplot.css", "/icon.svg"]
    assert sum(len(get(operator, file).content) for file in files) <= 150_000


def test_load_is_seen_in_the_charts(start_page):
    operator = start_page(manifest(scaling={"maxReplicas": 1}))
    load = Load(operator.wait_ready(), 20)
    with requests.get(url_of(operator) + "/api/v1/streams/services/default/resnet18", stream=True, timeout=10) as answer:
        for event in events_of(answer):
            if any(sample[1] > 5 and sample[4] is not None for sample in event["samples"]):
                break
    load.stop()


def test_what_other_policies_would_have_cost_stands_in_a_table(start_page):
    operator = start_page(manifest(scaling={"maxReplicas": 1, "advisors": ["Hpa70", "Kpa"]}))
    operator.wait_ready()
    faults = run_browser("""
        import re
        page.goto(args[0] + "/#/default/resnet18")
        table = page.locator(".advice table")
        expect(table.get_by_role("row")).to_have_count(4)
        expect(table.get_by_role("rowheader")).to_have_text(["Latency (acts)", "Hpa70", "Kpa"])
        # Workers, core-seconds, their share of ours, late requests.
        expect(table.get_by_role("row").nth(1).get_by_role("cell")).to_have_text([re.compile(r"^1$"), re.compile(r"^[1-9]\\d*$"), "100 %", "0"], timeout=60000)
        expect(page.locator(".advice p")).to_contain_text("0 requests in")
        out = faults
    """, url_of(operator))
    assert faults == []


def test_other_settings_are_tried_on_the_last_hour_before_they_are_applied(start_page):
    operator = start_page(manifest(scaling={"maxReplicas": 1}))
    url = operator.wait_ready()
    path = "/api/v1/services/default/resnet18/trial"
    assert get(operator, path).status_code == 409, "nothing was measured yet"
    load = Load(url, 10)
    wait_until(lambda: get(operator, path).status_code == 200, what="a request that was measured")
    outcome = wait_until(lambda: (out := get(operator, path + "?minReplicas=2&maxReplicas=3").json())["measured"]["requests"] >= 30 and out)
    load.stop()
    assert outcome["acting"]["most_workers"] == 1 and outcome["tried"]["most_workers"] >= 2
    assert outcome["tried"]["core_seconds"] > outcome["acting"]["core_seconds"]
    assert json.loads(outcome["command"].split("'")[1]) == {"spec": {"scaling": {"minReplicas": 2, "maxReplicas": 3}}}
    refused = get(operator, path + "?minReplicas=2")
    assert refused.status_code == 400 and "spec.scaling" in refused.json()["detail"]
    assert get(operator, "/api/v1/services/default/other/trial").status_code == 404
    texts, faults = run_browser("""
        page.goto(args[0] + "/#/default/resnet18")
        trial = page.locator(".trial")
        least = trial.get_by_label("Least workers")
        expect(least).to_have_attribute("placeholder", "1")
        least.fill("2")
        trial.get_by_role("button", name="Try").click()
        expect(trial.get_by_role("status")).to_contain_text("maxReplicas")
        trial.get_by_label("Most workers").fill("3")
        trial.get_by_role("button", name="Try").click()
        expect(trial.locator("canvas")).to_have_count(2)
        expect(trial.get_by_role("region", name="Outcome").get_by_role("rowheader")).to_have_text(["Measured", "As it is, on the model", "As tried, on the model"])
        out = [[trial.locator(".command").inner_text(), trial.get_by_role("status").inner_text()], faults]
    """, url_of(operator))
    assert faults == [fault for fault in faults if "400" in fault], "a refused trial alone is told by the browser"
    assert texts[0] == outcome["command"]
    assert "requests in" in texts[1]


def test_without_its_flag_there_is_no_page(tmp_path):
    operator = LocalOperator(tmp_path, manifest())
    try:
        assert "page" not in operator.ports
        assert read_json(operator.ports_path.read_text()).keys() == {"metrics"}
    finally:
        assert operator.stop(30) == 0
