#!/usr/bin/python3
"""A dispatcher as one writes it in an afternoon: aiohttp, one asyncio.Queue, one task for each worker.

    aiohttp_dispatcher.py PORT WORKER_URL…"""
import asyncio
import sys

import aiohttp
from aiohttp import web


async def work(queue, session, url):
    while True:
        image, answer = await queue.get()
        try:
            form = aiohttp.FormData()
            form.add_field("image", image, filename="image.jpg", content_type="image/jpeg")
            async with session.post(url, data=form) as response:
                found = await response.json()
            if not answer.done():
                answer.set_result(found)
        except (aiohttp.ClientError, ValueError) as error:
            if not answer.done():
                answer.set_exception(error)


async def predict(request):
    form = await request.post()
    answer = asyncio.get_running_loop().create_future()
    queue = request.app["queue"]
    await queue.put((form["image"].file.read(), answer))
    return web.json_response({**await answer, "queue_size": queue.qsize()})


async def workers(app):
    app["queue"] = asyncio.Queue()
    async with aiohttp.ClientSession() as session:
        tasks = [asyncio.ensure_future(work(app["queue"], session, url)) for url in sys.argv[2:]]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


app = web.Application(client_max_size=16 << 20)
app.router.add_post("/predict", predict)
app.cleanup_ctx.append(workers)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
