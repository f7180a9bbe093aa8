"""`docker build` by the classic builder's wire format: the texts, the language, the cache, what is left behind."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import docker as docker_py
import pytest

from tests.support.docker_cli import Docker, Result, eventually


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """An empty build context."""
    folder = tmp_path / "context"
    folder.mkdir()
    return folder


@pytest.fixture
def tag(docker: Docker) -> Iterator[str]:
    """A name for the image of a test."""
    name = f"build-{docker.name()}:1"
    yield name
    docker("rmi", "-f", name)
    docker("builder", "prune", "-af")


def build(docker: Docker, context: Path, dockerfile: str, *options: str) -> Result:
    """Build `context` with this Dockerfile, `@` standing for the test image."""
    (context / "Dockerfile").write_text(dockerfile.replace("@", docker.image))
    return docker("build", *options, context, timeout=120)


def made(docker: Docker, context: Path, dockerfile: str, tag: str, *options: str) -> str:
    """Build, demand success, return what was printed."""
    result = build(docker, context, dockerfile, "-t", tag, *options)
    assert result.code == 0, result
    return result.out


def test_the_classic_texts_come_in_their_order_and_the_image_runs(docker: Docker, context: Path, tag: str) -> None:
    (context / "a.txt").write_text("from the context\n")
    dockerfile = 'FROM @\nWORKDIR /app\nENV WHO=me\nCOPY a.txt .\nRUN echo "$WHO" > who\nCMD cat a.txt who\n'
    out = made(docker, context, dockerfile, tag)
    lines = out.splitlines()
    steps = [line for line in lines if line.startswith("Step ")]
    assert steps[0] == f"Step 1/6 : FROM {docker.image}"
    assert steps[-1] == "Step 6/6 : CMD cat a.txt who"
    assert sum(line.startswith(" ---> ") for line in lines) >= 6
    assert lines[-2].startswith("Successfully built ")
    assert lines[-1] == f"Successfully tagged {tag}"
    assert docker.ok("run", "--rm", tag) == "from the context\nme"
    config = json.loads(docker.ok("inspect", tag))[0]["Config"]
    assert (config["WorkingDir"], config["Cmd"]) == ("/app", ["/bin/sh", "-c", "cat a.txt who"])
    assert "WHO=me" in config["Env"]


def test_what_did_not_change_is_not_run_again_and_a_change_is_named(docker: Docker, context: Path, tag: str) -> None:
    random = "cat /proc/sys/kernel/random/uuid"
    dockerfile = f"FROM @\nRUN {random} > /when\nCOPY src /src\nRUN {random} > /later\n"
    (context / "src").mkdir()
    (context / "src" / "app.py").write_text("1")
    (context / "unrelated").write_text("1")
    made(docker, context, dockerfile, tag)
    first = docker.ok("inspect", "-f", "{{.Id}}", tag)
    (context / "unrelated").write_text("2")
    assert made(docker, context, dockerfile, tag).count("Using cache") == 3
    assert docker.ok("inspect", "-f", "{{.Id}}", tag) == first
    when, later = docker.ok("run", "--rm", tag, "cat", "/when", "/later").split()
    (context / "src" / "app.py").write_text("2")
    assert made(docker, context, dockerfile, tag).count("Using cache") == 1
    assert docker.ok("run", "--rm", tag, "cat", "/when") == when
    assert docker.ok("run", "--rm", tag, "cat", "/later") != later
    assert "Using cache" not in made(docker, context, dockerfile, tag, "--no-cache")


def test_stages_copy_from_one_another_and_one_that_nobody_needs_is_not_run(
    docker: Docker, context: Path, tag: str
) -> None:
    dockerfile = """
FROM @ AS base
RUN mkdir /out && echo built > /out/file && ln -s file /out/link && chmod 640 /out/file
FROM base AS unneeded
RUN false
FROM @ AS final
COPY --from=base --chown=33:44 /out/ /got/
COPY --from=0 --chmod=0755 /out/file /exec
"""
    made(docker, context, dockerfile, tag)
    out = docker.ok("run", "--rm", tag, "sh", "-c", "stat -c '%a %u:%g %F' /got/file /exec; readlink /got/link")
    assert out.splitlines() == ["640 33:44 regular file", "755 0:0 regular file", "file"]
    failed = build(docker, context, dockerfile, "--target", "unneeded")
    assert failed.code == 1
    assert "returned a non-zero code: 1" in failed.err


def test_arguments_defaults_and_their_scopes(docker: Docker, context: Path, tag: str) -> None:
    dockerfile = f"""
ARG IMAGE={docker.image}
ARG OUTSIDE=global
FROM $IMAGE
ARG OUTSIDE
ARG VERSION=1
ENV FULL=v${{VERSION}}-${{MISSING:-none}}
LABEL version="$VERSION" outside=$OUTSIDE
RUN echo "$FULL $OUTSIDE" > /seen
"""
    made(docker, context, dockerfile, tag, "--build-arg", "VERSION=2", "--label", "extra=yes")
    assert docker.ok("run", "--rm", tag, "cat", "/seen") == "v2-none global"
    labels = json.loads(docker.ok("inspect", "-f", "{{json .Config.Labels}}", tag))
    assert {"version": "2", "outside": "global", "extra": "yes"}.items() <= labels.items()


def test_heredocs_mounts_archives_and_ignored_files(docker: Docker, context: Path, tag: str) -> None:
    with tarfile.open(context / "a.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("inner/file")
        member.size = 3
        archive.addfile(member, io.BytesIO(b"abc"))
    (context / ".dockerignore").write_text("*.log\n!keep.log\n")
    for name in ("drop.log", "keep.log", "plain"):
        (context / name).write_text(name)
    dockerfile = """
FROM @
ADD a.tar.gz /unpacked/
COPY *.log plain /all/
RUN --mount=type=bind,target=/ctx --mount=type=tmpfs,target=/scratch --mount=type=cache,target=/cache <<END
set -e
ls /ctx > /listed
touch /scratch/x /cache/x
END
COPY <<"END" /etc/made
no $EXPANSION here
END
USER 1000:1000
RUN id -u > /tmp/me
"""
    made(docker, context, dockerfile, tag)
    script = "cat /unpacked/inner/file; echo; ls /all; cat /etc/made /tmp/me; find /scratch /cache -type f; cat /listed"
    lines = docker.ok("run", "--rm", tag, "sh", "-c", script).splitlines()
    assert lines[:5] == ["abc", "keep.log", "plain", "no $EXPANSION here", "1000"]
    assert "drop.log" not in lines
    assert {"Dockerfile", "plain"} <= set(lines[5:])


def test_instructions_of_the_next_build_run_in_it(docker: Docker, context: Path, tag: str) -> None:
    made(docker, context, "FROM @\nONBUILD COPY f /f\nONBUILD RUN cp /f /g\n", tag)
    (context / "f").write_text("later")
    child = f"{tag}-child"
    try:
        made(docker, context, f"FROM {tag}\nCMD cat /g\n", child)
        assert docker.ok("run", "--rm", child) == "later"
        assert not json.loads(docker.ok("inspect", child))[0]["Config"].get("OnBuild")
    finally:
        docker("rmi", "-f", child)


@pytest.mark.parametrize(
    ("dockerfile", "text"),
    [
        ("FROM @\nFOO bar\n", "unknown instruction: FOO"),
        ("RUN true\n", "no build stage in current context"),
        ("", "the Dockerfile (Dockerfile) cannot be empty"),
        ("FROM @\nCOPY ../outside /x\n", "outside"),
        ("FROM @\nCOPY missing /x\n", "missing"),
        ("FROM @\nRUN sh -c 'echo out; echo err >&2; exit 3'\n", "returned a non-zero code: 3"),
    ],
    ids=["unknown", "no-stage", "empty", "escape", "missing", "exit-3"],
)
def test_what_is_wrong_is_said(docker: Docker, context: Path, tag: str, dockerfile: str, text: str) -> None:
    result = build(docker, context, dockerfile, "-t", tag)
    assert result.code == (3 if "exit 3" in dockerfile else 1)
    assert text.lower() in (result.err + result.out).lower()
    assert docker("inspect", tag).code == 1


def test_a_link_in_the_context_leads_nowhere_out_of_it(docker: Docker, context: Path, tag: str) -> None:
    (context / "out").symlink_to("/etc")
    result = build(docker, context, "FROM @\nCOPY out/hostname /stolen\n", "-t", tag)
    assert result.code == 1, result.out


def test_a_client_that_goes_away_ends_the_build(docker: Docker, context: Path, tag: str) -> None:
    (context / "Dockerfile").write_text(f"FROM {docker.image}\nRUN echo under-way; sleep 600\n")
    with docker.spawn("build", "-t", tag, context) as process:
        assert process.stdout is not None
        while b"under-way" not in (line := process.stdout.readline()):
            assert line, "the build ended"
        process.kill()
        process.wait()

    def canceled() -> bool:
        return builds(docker)[0]["Status"] == "canceled"

    eventually(canceled, 20)


def test_docker_py_reads_the_stream_and_the_log_is_kept(
    client: docker_py.DockerClient, docker: Docker, context: Path, tag: str
) -> None:
    (context / "Dockerfile").write_text(f"FROM {docker.image}\nRUN echo kept-line\n")
    image, output = client.images.build(path=str(context), tag=tag, rm=True)
    assert tag in image.tags
    assert any("kept-line" in entry.get("stream", "") for entry in output)
    newest = builds(docker)[0]
    assert (newest["Status"], newest["Tags"], newest["Image"]) == ("done", [tag], image.id)
    status, body = docker.api("GET", f"/v1.50/berth/builds/{newest['Id']}/log")
    events = [json.loads(line) for line in body.splitlines()]
    assert status == 200
    assert events[0]["kind"] == "plan"
    assert any(event["kind"] == "output" and "kept-line" in event["text"] for event in events)
    (context / "Dockerfile").write_text(f"FROM {docker.image}\nRUN exit 4\n")
    with pytest.raises(docker_py.errors.BuildError, match="non-zero code: 4"):
        client.images.build(path=str(context))


def test_quiet_prints_the_id_and_prune_frees_the_cache(docker: Docker, context: Path, tag: str) -> None:
    result = build(docker, context, "FROM @\nRUN head -c 300000 /dev/urandom > /big\n", "-q", "-t", tag)
    assert result.out.strip() == docker.ok("inspect", "-f", "{{.Id}}", tag)
    docker.ok("rmi", tag)
    assert "Build Cache" in docker.ok("system", "df")
    assert "Total" in docker.ok("builder", "prune", "-af")
    out = made(docker, context, "FROM @\nRUN head -c 300000 /dev/urandom > /big\n", tag)
    assert "Using cache" not in out


def builds(docker: Docker) -> list[dict[str, object]]:
    """Return the builds that are on record, newest first."""
    status, found = docker.api("GET", "/v1.50/berth/builds")
    assert status == 200
    assert isinstance(found, list)
    return found
