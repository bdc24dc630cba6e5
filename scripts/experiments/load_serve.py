"""Errors of `serve.py` with many clients, and the time that a request takes.

python scripts/serve.py runs/digits &
python scripts/experiments/load_serve.py --clients 64 --seconds 60
"""

import threading
import time

import httpx
import numpy as np
import typer


def main(url: str = "http://127.0.0.1:8000", clients: int = 64, seconds: float = 60.0) -> None:
    """Send requests from many threads at once, and print quantiles of their times."""
    names = httpx.get(f"{url}/classes").json()
    durations, errors = [], []
    end = time.monotonic() + seconds

    def client(seed):
        rng = np.random.default_rng(seed)
        with httpx.Client(timeout=60) as session:
            while time.monotonic() < end:
                labels = [*rng.choice(names, rng.integers(1, 17))]
                start = time.monotonic()
                answer = session.post(f"{url}/images", json={"labels": labels, "seed": seed})
                durations.append(time.monotonic() - start)
                if answer.status_code != 200 or not answer.content.startswith(b"\x89PNG"):
                    errors.append(answer.text)

    threads = [threading.Thread(target=client, args=(seed,)) for seed in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    median, most = np.quantile(durations, [0.5, 0.99])
    print(f"{clients} clients, {seconds:.0f} s: {len(durations)} requests, {len(errors)} errors")
    print(f"seconds for a request: median {median:.3f}, 99% below {most:.3f}")


if __name__ == "__main__":
    typer.run(main)
