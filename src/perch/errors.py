"""The root of every error that Perch answers with a sentence.

PerchError
 └─ one subtree per room, in that room's errors.py, cut by what the caller decides next
"""

from typing import ClassVar


class PerchError(Exception):
    """Something that a person can act on.

    ``code`` is stable and machine readable, ``status`` the HTTP status a face answers with,
    ``sentence`` what a person reads. ``fix`` is the one next action, ``rule`` the id of the broken rule.
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 400

    def __init__(self, sentence: str, *, fix: str | None = None, rule: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.fix = fix
        self.rule = rule
