"""What `generate` tells about cases that could not be made."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from pancreasgen.cli.main import main
from pancreasgen.dataset import batch
from pancreasgen.dataset.quarantine import Failure


def test_lost_cases_are_told_with_a_command_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rc 3; each is named, `--only` is offered, and the report's command asks for the same case and settings."""
    asked: list[dict[str, Any]] = []

    def generate(store: object, settings: Any, indices: Any, **named: Any) -> batch.Outcome:
        asked.append({"settings": settings.to_dict(), "indices": list(indices), **named})
        return batch.Outcome(3, [], [Failure(2, "it \x1b[31mcrashed")], {4: "it hung"})

    monkeypatch.setattr(batch, "generate", generate)
    monkeypatch.chdir(tmp_path)
    words = ["--quick", "--seed", "5", "--set", "gland.length_mm=160", "--set", "protocol.mas=90", "--scheme", "msd"]
    assert main(["generate", *words, "-n", "5", "--workers", "1", "-o", "my data"]) == 3
    err = capsys.readouterr().err
    assert "case 2 is in quarantine: it \\x1b[31mcrashed" in err
    assert "case 4 is in quarantine: it hung" in err
    assert "--only 2,4 tries them again" in err
    command = shlex.split(asked[0]["rules"].command.replace("{index}", "2"))
    assert command[:2] == ["pancreasgen", "generate"]
    main([word for word in command[1:] if word != "--debug"])
    assert asked[1]["settings"] == asked[0]["settings"]
    assert asked[1]["indices"] == [2]
    assert asked[1]["rules"].try_again


def test_shards_and_cluster_reach_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--shard auto/4` asks the environment, and only when it is given; rc 0 where nothing is lost."""
    seen: list[batch.Rules] = []
    monkeypatch.setattr(batch, "generate", lambda *_, rules, **__: seen.append(rules) or batch.Outcome())
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    words = ["generate", "--quick", "-n", "9", "-q", "-o", str(tmp_path / "d")]
    assert main([*words, "--shard", "auto/4", "--scheduler", "tcp://x:1", "--time-limit", "60"]) == 0
    assert main(words) == 0
    assert (seen[0].shard, seen[0].scheduler, seen[0].limit_s) == (batch.Shard(3, 4), "tcp://x:1", 60)
    assert main([*words[:-3], "-o", str(tmp_path / "d"), "-n", "2", "--shard", "3/4"]) == 0  # a shard without cases
    assert (seen[1].shard, seen[1].scheduler) == (None, "")
