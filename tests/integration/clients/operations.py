"""Prometheus scrapes the counters of the operations example."""

import json
import time

from harness import case, example, expect, fetch, free_port, proxy, scratch, status, succeed

SETTINGS = """
[policy]
fallback = ["GET", "POST"]
"""

CONFIG = """
scrape_configs:
  - job_name: operations
    scrape_interval: 500ms
    scrape_timeout: 500ms
    static_configs:
      - targets: ["{target}"]
"""

# The number of requests with each method, and the counters after them.
REQUESTS = {"POST": 1, "DELETE": 2, "PROPFIND": 3, "FOO": 4, "BAR": 5}
COUNTED = {
    ("DELETE", "not_allowed", "true"): 2,
    ("PROPFIND", "not_implemented", "true"): 3,
    ("_OTHER", "not_implemented", "true"): 9,
}

QUERY = "sum by (method, reason, enforced) (http_method_rejections_total)"


def query(prometheus: str, expression: str) -> list[dict]:
    answer = fetch(f"{prometheus}api/v1/query", "-G", "--data-urlencode", f"query={expression}")
    return json.loads(answer)["data"]["result"]


def seen(prometheus: str) -> dict[tuple[str, str, str], int]:
    counts = {}
    for result in query(prometheus, QUERY):
        labels = result["metric"]
        series = (labels["method"], labels["reason"], labels["enforced"])
        counts[series] = int(result["value"][1])
    return counts


@case("operations-prometheus", "curl", "promtool", "prometheus")
def _():
    with scratch() as directory:
        settings = directory / "policy.toml"
        settings.write_text(SETTINGS)
        config = directory / "prometheus.yml"
        with example("operations", str(settings)) as server:
            for method, times in REQUESTS.items():
                for _ in range(times):
                    status(server.url, method)

            metrics = directory / "metrics"
            metrics.write_text(fetch(f"{server.url}metrics"))
            with metrics.open() as text:
                expect(succeed("promtool", "check", "metrics", stdin=text), "", "promtool's output")

            config.write_text(CONFIG.format(target=server.authority))
            with free_port() as port:
                command = ["prometheus", f"--config.file={config}", "--log.level=error"]
                command += [f"--storage.tsdb.path={directory / 'data'}"]
                command += [f"--web.listen-address=127.0.0.1:{port}"]
                with proxy("prometheus", port, *command) as prometheus:
                    end = time.monotonic() + 30
                    while status(f"{prometheus}-/ready") == "503" and time.monotonic() < end:
                        time.sleep(0.1)
                    while seen(prometheus) != COUNTED and time.monotonic() < end:
                        time.sleep(0.1)
                    expect(seen(prometheus), COUNTED, "the scraped counters")
                    [up] = query(prometheus, 'up{job="operations"}')
                    expect(up["value"][1], "1", "the success of the last scrape")
            return f"{len(COUNTED)} series of rejections"
