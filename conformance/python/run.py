"""Runs the cases against the binary that KEW_BINARY names, and counts them."""

import sys
import unittest

FOLDERS = ("cases", "raw", "format")


def main():
    loader = unittest.defaultTestLoader
    suite = unittest.TestSuite(loader.discover(folder, "test_*.py", ".") for folder in FOLDERS)
    outcome = unittest.TextTestRunner(verbosity=2).run(suite)
    failed = len(outcome.failures) + len(outcome.errors) + len(outcome.skipped)
    passed = outcome.testsRun - failed
    print(f"python: {passed} passed, {failed} failed", flush=True)
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
