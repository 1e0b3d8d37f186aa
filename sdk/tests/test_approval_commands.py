"""Which commands a command line runs, and which patterns match: read as an attacker would write it."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, Any

import pytest

from codex_app_server import CommandApproval, allow_commands, read_only
from codex_app_server.approvals.commands import commands_of, words_of
from codex_app_server.approvals.requests import request_of
from codex_app_server.protocol.messages import ServerRequest

if TYPE_CHECKING:
    from codex_app_server.protocol.messages import JsonValue

COMMAND = "item/commandExecution/requestApproval"


def asked(line: str, **params: JsonValue) -> CommandApproval:
    return whole(f"/bin/bash -lc {shlex.quote(line)}", **params)


def whole(command: str, **params: JsonValue) -> CommandApproval:
    said: dict[str, Any] = {"threadId": "t", "turnId": "u", "itemId": "i", "command": command, **params}
    request = request_of(ServerRequest(1, COMMAND, said))
    assert isinstance(request, CommandApproval)
    return request


def spelled(line: str) -> list[list[str]] | None:
    commands = words_of(line)
    return None if commands is None else [[word.text for word in command] for command in commands]


class TestReading:
    @pytest.mark.parametrize(
        ("line", "commands"),
        [
            ("git status", [["git", "status"]]),
            (" ls \t-l  ", [["ls", "-l"]]),
            ("a; b && c || d | e\nf;", [["a"], ["b"], ["c"], ["d"], ["e"], ["f"]]),
            ("a &&\n\n b\n\n", [["a"], ["b"]]),
            ("echo 'a b' \"c d\"'e'f\\ g", [["echo", "a b", "c def g"]]),
            (r'echo "\$x \"y\" \n" \;', [["echo", '$x "y" \\n', ";"]]),
            ("echo ''", [["echo", ""]]),
            ("echo 'x; rm y' \"a && b\"", [["echo", "x; rm y", "a && b"]]),
            ("echo größe", [["echo", "größe"]]),
            ("git log --format=a=b HEAD^", [["git", "log", "--format=a=b", "HEAD^"]]),
        ],
    )
    def test_words_and_what_stands_between_commands(self, line: str, commands: list[list[str]]) -> None:
        assert spelled(line) == commands

    @pytest.mark.parametrize(
        "line",
        [
            "",
            ";",
            "ls;;",
            "ls &&",
            "| ls",
            "ls & rm y",
            "ls &",
            "ls |& sh",
            "echo $(rm y)",
            "echo `rm y`",
            'echo "$(rm y)"',
            'echo "`rm y`"',
            "echo ${x:-$(rm y)}",
            "echo $x",
            "echo $'\\n'",
            "ls > x",
            "ls >> x",
            "sh < x",
            "cat <<EOF\nrm y\nEOF",
            "diff <(rm y) z",
            "ls 2>&1",
            "(rm y)",
            "{ rm y; }",
            "echo {a,b}",
            "ls # x",
            "! ls",
            "FOO=1 git status",
            "FOO+=1 git status",
            "a[0]=x git status",
            "if true; then rm y; fi",
            "for i in x; do rm $i; done",
            "time ls",
            "ls \\\nrm",
            'echo "a',
            "echo 'a",
            "echo a\\",
            "ls\rrm y",
            "ls\x0brm",
            "ls\x00",
            "ls\u00a0x",
            "ls\u2028rm",
            "=ls",
        ],
    )
    def test_a_line_with_anything_else_in_it_is_not_known(self, line: str) -> None:
        assert words_of(line) is None

    @pytest.mark.parametrize(
        ("command", "is_known"),
        [
            ("bash -lc 'ls'", True),
            ("/usr/bin/zsh -c ls", True),
            ("/tmp/bin/bash -lc ls", False),
            ("./bash -lc ls", False),
            ("bash -lc ls evil", False),
            ("bash --rcfile evil -c ls", False),
            ("bash -c", False),
            ("bash -lc 'ls' ; rm y", False),
            ('bash -lc "$(rm y)"', False),
            ("pwsh -NoProfile -Command 'git status'", True),
            ("'C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe' -Command 'git status; dir src'", True),
            ("'C:\\evil\\powershell.exe' -Command 'git status'", False),
            ("'C:\\Windows\\System32\\WindowsPowerShell\\..\\..\\..\\evil\\pwsh.exe' -Command ls", False),
            ("pwsh -Command 'git status $(rm y)'", False),
            ("pwsh -Command 'git status & rm y'", False),
            ("pwsh -Command 'git status > y'", False),
            ("pwsh -Command 'git (rm y)'", False),
            ("/workspace/pwsh -c ls", False),
            ("./pwsh -Command 'git status'", False),
            ("C:/Users/x/pwsh.exe -Command 'git status'", False),
            ("/usr/bin/pwsh -Command 'git status'", True),
            ("pwsh -File evil.ps1", False),
            ("fish -c 'git status'", True),  # one command, called fish
        ],
    )
    def test_the_shell_must_be_a_known_one(self, command: str, is_known: bool) -> None:
        assert (commands_of(command) is not None) is is_known

    def test_what_the_runtime_reads_must_be_among_it(self) -> None:
        seen: JsonValue = [{"type": "read", "command": "sed -n '1,5p' a.txt", "name": "a", "path": "/a"}]
        assert asked("sed -n 1,5p a.txt | head", commandActions=seen).parts == (
            ("sed", "-n", "1,5p", "a.txt"),
            ("head",),
        )
        assert asked("ls", commandActions=[{"type": "unknown", "command": "rm y"}]).parts is None
        assert asked("ls", commandActions=["odd"]).parts is None

    def test_a_line_of_very_many_commands_is_read_in_no_time(self) -> None:
        lines = [f"ls {number}" for number in range(10_000)]
        request = asked(";".join(lines), commandActions=[{"type": "listFiles", "command": line} for line in lines])
        began = time.process_time()
        assert read_only(request) == "accept"
        assert time.process_time() - began < 2


class TestPatterns:
    @pytest.mark.parametrize(
        ("patterns", "line"),
        [
            (["git status"], "git status"),
            (["git status", "ls *"], "ls -la src && git status"),
            (["ls *"], "ls"),
            (["ls *"], "ls *"),
            (["ls *"], "ls 'x; rm y'"),
            (["pytest tests/*.py"], "pytest tests/test_a.py"),
            (["echo 'a b'"], 'echo "a b"'),
            (["cat *.txt"], "cat a.txt"),
            (["cat ./*.txt"], "cat ./*.txt"),
            (["make test-?"], "make test-1"),
            (["*"], "anything at all"),
        ],
    )
    def test_all_commands_of_a_line_match_one(self, patterns: list[str], line: str) -> None:
        assert allow_commands(*patterns)(asked(line)) == "accept"

    @pytest.mark.parametrize(
        ("patterns", "line"),
        [
            (["git status"], "git status; rm -rf x"),
            (["git status"], "git status\nrm -rf x"),
            (["git status"], "git status && rm -rf x"),
            (["git status"], "git status | sh"),
            (["git status"], "git status --output=/etc/x"),
            (["git status"], "git  statusx"),
            (["git status"], "./git status"),
            (["git status"], "git"),
            (["git status"], "GIT status"),
            (["git *"], "env git status"),
            (["sort *.txt"], "sort *.txt"),  # a file may be called -o...
            (["ls *"], "ls x; rm y"),
            (["ls *"], "ls x $(rm y)"),
            (["ls *"], "ls x > y"),
            (["ls *"], "lsof"),
            (["cd *", "ls"], "cd x && ls y"),
            (["pytest tests/*.py"], "pytest tests/../../evil.py"),
            (["pytest tests/*.py"], "pytest tests/a/b.py"),
            (["cat *.txt"], "cat --output=a.txt"),
            (["cat *.txt"], "cat ../a.txt"),
            (["cat *.txt"], "cat *a.txt"),
            (["rm build/?"], "rm build/*"),
            (["cp * backup"], "cp --target-directory=x backup"),
            (["bash *"], "bash -c 'rm x'; true"),
        ],
    )
    def test_what_goes_beyond_them_is_left_to_others(self, patterns: list[str], line: str) -> None:
        assert allow_commands(*patterns)(asked(line)) is None

    @pytest.mark.parametrize(
        "params",
        [
            {"kind": "writeStdin"},
            {"additionalPermissions": {"network": {"enabled": True}}},
            {"networkApprovalContext": {"host": "example.com", "protocol": "https"}},
            # What this client cannot read is more all the same.
            {"kind": {"type": "writeStdin"}},
            {"additionalPermissions": ["network"]},
            {"networkApprovalContext": "example.com"},
        ],
    )
    def test_more_than_to_run_it_is_left_to_others(self, params: dict[str, JsonValue]) -> None:
        assert allow_commands("ls", "*")(asked("ls", **params)) is None
        assert read_only(asked("ls", **params)) is None

    def test_mistakes_are_told_at_once(self) -> None:
        with pytest.raises(ValueError, match="must have a word"):
            allow_commands("")
        with pytest.raises(ValueError, match="quotation"):
            allow_commands("echo 'a")
        with pytest.raises(TypeError, match="takes strings"):
            allow_commands(["git status"])  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"allow_commands\(\) allows nothing"):
            allow_commands()
        assert repr(allow_commands("git status", "ls *")) == "allow_commands('git status', 'ls *')"

    @pytest.mark.parametrize(
        "pattern",
        [
            *("ls | cat", "ls|cat", "cd x && ls", "ls; ls", "ls > x", "ls 2>&1", "sh < x", "ls &"),
            *("echo $HOME", 'echo "$HOME"', "echo ${HOME}", "echo $(pwd)", "echo `pwd`", 'echo "`pwd`"', "ls # all"),
            *("CI=1 pytest", "CI='a b' pytest"),
        ],
    )
    def test_a_pattern_that_no_line_matches_is_refused(self, pattern: str) -> None:
        assert not words_of(pattern) or len(words_of(pattern) or ()) > 1
        with pytest.raises(ValueError, match="matches nothing"):
            allow_commands("git status", pattern)

    @pytest.mark.parametrize(
        ("pattern", "line"),
        [
            ("grep 'a|b' *", "grep 'a|b' x"),
            ('grep "a|b>c;d&e" *', 'grep "a|b>c;d&e" x'),
            ("grep foo$ *", "grep 'foo$' x"),
            (r"grep a\|b x", "grep 'a|b' x"),
            (r'echo "a\"b|c"', "echo 'a\"b|c'"),
            ("echo '$HOME'", "echo '$HOME'"),
            ("git show HEAD@{1}", "git show 'HEAD@{1}'"),
            ("echo it\\'s a#b", "echo \"it's\" 'a#b'"),
            ("find . ( -name x )", r"find . \( -name x \)"),
            ("make CC=gcc", "make CC=gcc"),
            ("git status\n", "git status"),
            ("find . -name '*'", "find . -name '*'"),
            (r"find . -name \*", 'find . -name "*"'),
            ("echo 'a?'*", "echo 'a?b'"),
            ("git add 'src/[id].tsx'", "git add 'src/[id].tsx'"),
            ("git add src/[id].tsx", "git add src/[id].tsx"),
        ],
    )
    def test_a_pattern_is_quoted_as_in_a_shell(self, pattern: str, line: str) -> None:
        assert allow_commands(pattern)(asked(line)) == "accept"

    @pytest.mark.parametrize(
        ("pattern", "line"),
        [
            ("find . -name '*'", "find . -name x -delete"),
            ('find . -name "*"', "find . -name"),
            (r"find . -name \*", "find . -name x -delete"),
            ("find . -name '*'", "find . -name *"),
            ("rm 'a*'", "rm ab"),
            ("rm 'a*'", "rm a*"),
            ("rm 'a?'*", "rm abc"),
            ("rm 'a[bc]'", "rm a[bc]"),
            ("cat '~/x'", "cat ~/x"),
        ],
    )
    def test_what_is_quoted_in_a_pattern_stands_for_nothing_else(self, pattern: str, line: str) -> None:
        assert allow_commands(pattern)(asked(line)) is None


class TestReadOnly:
    @pytest.mark.parametrize(
        "line",
        [
            "ls -la src",
            "cat a.txt | head -5",
            "rg -n foo src/*.py | wc -l",
            "find . -name '*.py' -type f -mtime -1",
            "cd src && grep -r x . || true",
            "sed -n 1,20p a.txt",
            "sort -rn a",
        ],
    )
    def test_reading_is_accepted(self, line: str) -> None:
        assert read_only(asked(line)) == "accept"

    @pytest.mark.parametrize(
        "line",
        [
            "rm x",
            "git status",
            "find . -delete",
            "find . -exec rm {} +",
            "find . -fprint x",
            "find *",
            "rg --pre ./evil x",
            "rg --pre=./evil x",
            "rg *",
            "rg -z x",
            "sort -o x y",
            "sort -uox y",
            "sort --out=x y",
            "sort --compress-prog=./evil x",
            "sed -n 1w/etc/x a",
            "sed -i s/a/b/ x",
            "sed -n 1p -i x",
            "cat a > b",
            "cat $(evil)",
            "./ls",
            "/bin/ls",
            "l? x",
            "date -s 12:00",
            "tee x",
            "awk 1 x",
            "env ls",
            "xargs ls",
            "uniq a b",
        ],
    )
    def test_what_may_do_more_is_left_to_others(self, line: str) -> None:
        assert read_only(asked(line)) is None
