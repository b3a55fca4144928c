"""Several processes on one database, and processes that are killed."""

import os
import random
import signal
import subprocess
import sys
import time

from countenance.store.database import open_store

START = """
import os, sys
import numpy as np
from countenance.errors import CountenanceError
from countenance.store.database import open_store
from countenance.vault import Vault
vault = Vault([bytes(range(32))])
"""
GATE = """
store = open_store(sys.argv[1], vault=vault)
for line in sys.stdin:
    try:
        if line.strip() == "begin":
            store.create_session("s1", subject="Ann", nonce="n1", key_id="k", expires=9e9, state={"by": os.getpid()})
        else:
            store.spend("s1", version=1, decision={"accepted": True, "by": os.getpid()})
        print(line.strip(), flush=True)
    except CountenanceError as error:
        print(type(error).__name__, flush=True)
store.close()
"""
WORKERS = """
def say(word, about):
    os.write(1, f"{word} {about}\\n".encode())  # at once: half a line would run into the next process's

def work(first):
    store, here = open_store(sys.argv[1], vault=vault), []
    for number in range(first, first + 1_000):
        name = f"person-{number:06d}"
        say("enrolling", name)
        templates = np.full((2, 64), 0.125, np.float32)
        store.enrol(name, templates=templates, model="sface", weights="ab", consent={"of": name})
        say("enrolled", name)
        here.append(name)
        if number % 2:
            name = here.pop(number % len(here))
            say("forgetting", name)
            store.forget(name)
            say("forgotten", name)

for line in sys.stdin:
    worker = os.fork()
    if not worker:
        say("began", os.getpid())
        work(int(line))
    os.waitpid(worker, 0)
    say("ended", worker)
"""


def started(script, url):
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # one that forks may have no threads
    command = [sys.executable, "-W", "error", "-c", START + script, url]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=alone)


def tell(process, line):
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def test_a_session_of_one_process_is_ended_by_another_and_only_once(url, opened):
    store = opened()
    with started(GATE, url) as one, started(GATE, url) as two:
        tell(one, "begin")
        assert one.stdout.readline() == "begin\n"
        tell(two, "begin")
        assert two.stdout.readline() == "ChallengeReplayed\n"  # the same nonce
        assert store.session("s1").state == {"by": one.pid}
        tell(two, "spend")
        tell(one, "spend")
        assert sorted(each.stdout.readline() for each in (one, two)) == ["ChallengeReplayed\n", "spend\n"]
    assert store.session("s1").decision["by"] in {one.pid, two.pid}
    assert [entry.event["event"] for entry in store.audit()] == ["decided"]
    assert store.verify_audit().valid


OPERATIONS = int(os.environ.get("COUNTENANCE_KILLED_OPERATIONS", "60"))
KILLS = max(4, OPERATIONS // 20)


def killed(nursery, first, seconds):
    """Let a worker go and kill it after a while; return what it said: (word, name) in order."""
    tell(nursery, first)
    worker = int(nursery.stdout.readline().split()[1])
    time.sleep(seconds)
    os.kill(worker, signal.SIGKILL)
    return [line.split() for line in iter(nursery.stdout.readline, f"ended {worker}\n")]


def test_what_was_acknowledged_survives_a_kill_and_what_was_forgotten_does_not(tmp_path, vault):
    url, chance = f"sqlite:///{tmp_path}/gate.db", random.Random(8)  # noqa: S311 - moments
    enrolled: set[str] = set()
    forgotten: set[str] = set()
    done, rounds = {"enrolled": 0, "forgotten": 0}, 0
    with started(WORKERS, url) as nursery:
        while sum(done.values()) < OPERATIONS or rounds < KILLS:  # a quick disk does many between two kills
            begun = set()  # and not acknowledged: done or not is both right, half is not
            for word, name in killed(nursery, rounds * 1_000, 0.05 + chance.random()):
                if word not in done:
                    begun.add(name)
                    continue
                done[word] += 1
                begun.remove(name)
                (enrolled.add if word == "enrolled" else enrolled.remove)(name)
                if word == "forgotten":
                    forgotten.add(name)
            rounds += 1
            store = open_store(url, vault=vault)
            here = {each.subject: each for each in store.people()}
            assert enrolled - begun <= set(here) <= enrolled | begun
            assert all(each.templates == 2 and each.consent for each in here.values())
            names, matrix = store.templates("sface", "ab")
            assert sorted(names.tolist()) == sorted([*here, *here])
            assert (matrix == 0.125).all()
            assert store.verify_audit().valid
            files = b"".join(file.read_bytes() for file in tmp_path.iterdir())
            assert not [name for name in (forgotten | begun) - set(here) if name.encode() in files]
            store.close()
            enrolled = set(here)
    print(f"{done} acknowledged, {rounds} processes killed")
    assert min(done.values()) > OPERATIONS / 10
