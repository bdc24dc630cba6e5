"""`scripts/serve.py`: labels in, a picture out, from several threads."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

import keras_cvae
from keras_cvae import networks, runs
from keras_cvae.datasets import Dataset

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("uncompiled")]


@pytest.fixture
def client(monkeypatch, tmp_path):
    testing = pytest.importorskip("fastapi.testclient")
    import serve

    x, y = np.zeros((6, 4, 4, 1), "float32"), np.arange(6) % 2
    cvae = keras_cvae.build_cvae((4, 4, 1), 2, 2, network=networks.Dense((4,)))
    config = {"class_names": ["cat", "7"], "data": {"name": "toys"}}
    run = runs.ImageRun(None, config, cvae, Dataset(x, y, x, y, ("cat", "7")))
    monkeypatch.setattr(runs.Run, "load", lambda folder: run)
    return testing.TestClient(serve.application(tmp_path))


def test_pictures_of_labels(client):
    assert client.get("/classes").json() == ["cat", "7"]

    def picture(seed):
        return client.post("/images", json={"labels": ["cat", "7", 1, -1], "seed": seed})

    alone = [picture(seed).content for seed in range(4)]
    assert Image.open(io.BytesIO(alone[0])).width > 20 and len({*alone}) == 4
    with ThreadPoolExecutor(4) as threads:
        assert [answer.content for answer in threads.map(picture, range(4))] == alone


@pytest.mark.parametrize(
    "request_", [{"labels": []}, {"labels": [2]}, {"labels": ["dog"]}, {"labels": [0], "seed": -1}]
)
def test_bad_requests(client, request_):
    assert client.post("/images", json=request_).status_code == 422
