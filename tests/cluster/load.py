#!/usr/bin/python3
"""Open-loop load on one dispatcher for the cluster tests: `load.py URL PICTURES RATE SECONDS [--fresh] [--name HOST --ca FILE]`.

Posts the pictures of a folder in turn at a fixed rate, never waiting for an answer before the next request, and prints
one JSON object: statuses, right answers (a picture's name ends in `-<class>`), answers by model_version, latencies in
seconds. Runs by itself,
because it must run inside the node's network. With `--fresh` every request has a connection of its own. The URL's host
is an address; with `--name` its certificate must be that host's, and of the authority in `--ca`.
"""

import argparse
import asyncio
import collections
import json
import pathlib
import socket
import ssl
import time

import aiohttp
import aiohttp.abc
import yarl


class Only(aiohttp.abc.AbstractResolver):
    """Every name is at this address."""

    def __init__(self, address):
        self.address = address

    async def resolve(self, host, port=0, family=socket.AF_INET):
        return [{"hostname": host, "host": self.address, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}]

    async def close(self):
        pass


async def post(session, url, name, body, seen):
    started = time.monotonic()
    try:
        async with session.post(url, data=body, headers={"Content-Type": "image/jpeg"}) as answer:
            text = await answer.text()
            seen["statuses"][str(answer.status)] += 1
            if answer.status == 200:
                seen["latencies"].append(time.monotonic() - started)
                told = json.loads(text)
                label = told["prediction"].rpartition(":")[0]
                seen["versions"][told["model_version"]] += 1
                seen["right"] += label == name.rpartition("-")[2]
            else:
                seen["first_fault"] = seen["first_fault"] or f"{answer.status} {text[:300]}"
    except (aiohttp.ClientError, asyncio.TimeoutError) as error:
        seen["statuses"][type(error).__name__] += 1
        seen["first_fault"] = seen["first_fault"] or repr(error)


async def run(url, folder, rate, seconds, fresh, name, ca):
    pictures = [(path.stem, path.read_bytes()) for path in sorted(pathlib.Path(folder).glob("*.jpg"))]
    seen = {"statuses": collections.Counter(), "versions": collections.Counter(), "right": 0, "latencies": [], "first_fault": ""}
    secure = {"ssl": ssl.create_default_context(cafile=ca), "resolver": Only(yarl.URL(url).host)} if name else {}
    url = str(yarl.URL(url).with_host(name)) if name else url
    limits = aiohttp.TCPConnector(limit=0, force_close=fresh, **secure)
    async with aiohttp.ClientSession(connector=limits, timeout=aiohttp.ClientTimeout(total=60)) as session:
        started, tasks = time.monotonic(), []
        for number in range(round(rate * seconds)):
            await asyncio.sleep(max(0, started + number / rate - time.monotonic()))
            name, body = pictures[number % len(pictures)]
            tasks.append(asyncio.create_task(post(session, f"{url.rstrip('/')}/predict", name, body, seen)))
        await asyncio.gather(*tasks)
    ordered = sorted(seen.pop("latencies"))
    if ordered:
        seen["p50"] = round(ordered[len(ordered) // 2], 3)
        seen["p99"] = round(ordered[int(len(ordered) * 0.99)], 3)
    return dict(seen, sent=len(tasks))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("folder")
    parser.add_argument("rate", type=float)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--name")
    parser.add_argument("--ca")
    print(json.dumps(asyncio.run(run(**vars(parser.parse_args())))))
