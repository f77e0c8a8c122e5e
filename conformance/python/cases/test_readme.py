"""The README's snippet, run as it is printed."""

import pathlib
import subprocess
import sys
import unittest

from kew import PATIENCE_SECONDS, Kew, environment

README = pathlib.Path(__file__).resolve().parents[3] / "README.md"


def snippet(language):
    """The one block of code in this language."""
    _, block, *more = README.read_text().split(f"```{language}\n")
    assert not more, f"the README has several blocks of {language}"
    return block.split("```")[0]


class Readme(unittest.TestCase):
    def test_readme(self):
        with Kew.dev() as kew:
            words = [sys.executable, "-c", snippet("python")]
            done = subprocess.run(
                words, capture_output=True, text=True, env=environment() | kew.settings(), timeout=PATIENCE_SECONDS
            )
        self.assertEqual((done.stderr, done.stdout), ("", "hello (attempt 1)\n1 acknowledged\n"))
