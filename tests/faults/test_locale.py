"""Names that the locale's encoding lacks: a message that says what to set, and no traceback."""

import os
import subprocess

from fault_runs import command, results


def test_a_locale_that_cannot_write_the_names(dataset, tmp_path):
    model = (dataset / "models/planted.tsv").read_text(encoding="utf-8")
    (tmp_path / "planted.tsv").write_text(model.replace("cat", "chät"), encoding="utf-8")
    (tmp_path / "map.tsv").write_text("label\tcondition\ncat\tchät\n", encoding="utf-8")
    options = ("--participant-label", "01", "--condition-map", tmp_path / "map.tsv")
    words = command(dataset, tmp_path / "out", *options)
    words[words.index("--model") + 1] = str(tmp_path / "planted.tsv")
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    answer = subprocess.run(words, env=os.environ | ascii_only, capture_output=True, text=True)
    assert answer.returncode == 74, answer.stderr
    assert "the encoding of the locale (ascii), which lacks 'ä'" in answer.stderr.replace(
        r"\xe4", "ä"
    )
    assert "PYTHONUTF8=1" in answer.stderr and "Traceback" not in answer.stderr
    plain = {"LC_ALL": "C"}  # Python then writes UTF-8
    answer = subprocess.run(words, env=os.environ | plain, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert any("statmap.nii.gz" in name for name in results(tmp_path / "out"))
