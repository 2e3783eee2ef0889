"""What a command line writes to files stays here; what it runs and prints goes."""

from __future__ import annotations

import pytest

from opensync_hooks.model import ToolCall
from opensync_hooks.privacy import contents
from opensync_hooks.privacy.written_files import withhold_written
from tests.privacy.test_redaction_time import MAX_GROWTH, growth


def withhold(command: str) -> str:
    call = ToolCall("c1", "Bash", {"command": command}, title=command)
    (kept,) = contents.withhold((call,), "assistant")
    assert isinstance(kept, ToolCall)
    assert kept.title in {"", command}
    return str(kept.arguments["command"])


WRITING = (
    "echo 'BODY = 1' > src/a.py",
    'echo "BODY = \\"1\\"" >> src/a.py && make',
    "echo BODY is 1 >src/a.py",
    "cd src; printf '%s\\n' 'BODY = 1' 'BODY = 2' > src/a.py",
    "echo -e 'BODY' | sudo tee -a src/a.py >/dev/null",
    "echo 'BODY' | tee src/a.py",
    "if true; then echo BODY > src/a.py; fi",
    "{ echo BODY; echo 'and BODY'; } > src/a.py",
    "(echo BODY; date) >> src/a.py",
    "sed -i 's/x = 1/BODY = 2/' src/a.py",
    "sed -i.bak -e 's/x/BODY/' -e '3d;s/y/BODY/' src/a.py",
    "sed -i '' 's/x/BODY/g' src/a.py",
    'sed --in-place=.old "s/x/BODY/" src/a.py',
    "perl -pi -e 's/x/BODY/' src/a.py",
    "perl -0777 -i -pe 's/x\\n/BODY\\n/' src/a.py",
    "Set-Content -Path src/a.py -Value 'BODY = 1'",
    "Set-Content src/a.py 'BODY = 1'",
    'Add-Content -Value "BODY" -Path src/a.py',
    "'BODY = 1' | Set-Content src/a.py",
    "'BODY = 1' | Out-File -FilePath src/a.py -Encoding utf8",
    'Write-Output "BODY" > src/a.py',
    '"BODY = 1" >> src/a.py',
    "New-Item -Path src/a.py -ItemType File -Value 'BODY'",
    "[IO.File]::WriteAllText('src/a.py', 'BODY = 1')",
    "python -c \"open('src/a.py', 'w').write('BODY = 1')\"",
    'python3 -c \'from pathlib import Path; Path("src/a.py").write_text("BODY")\'',
    "python - <<'EOF'\nwith open('src/a.py', 'w') as f:\n    f.write(\"\"\"BODY\nBODY\"\"\")\nEOF",
    "node -e \"require('fs').writeFileSync('src/a.py', \\`BODY\\`)\"",
    "node -e 'fs.appendFileSync(`src/a.py`, \"BODY\")'",
    'php -r \'file_put_contents("src/a.py", "BODY");\'',
    'ruby -e \'File.write("src/a.py", "BODY")\'',
    "X=1 sudo env Y=2 /bin/echo BODY > src/a.py",
    'echo BODY > "src/a.py"',
    "echo BODY &> src/a.py",
    "echo BODY >& src/a.py",
    "echo BODY >| src/a.py",
    "echo BODY > src/a.py > /dev/null",
    "echo BODY 2> err.log > src/a.py",
    "{ (echo BODY; date); echo BODY; } > src/a.py",
    "case $x in a) echo BODY > src/a.py;; esac",
    'sed -i "" "s/x/BODY/" src/a.py',
    "sed 's/x/BODY/' -i src/a.py",
    "Out-File -InputObject 'BODY' -FilePath src/a.py",
    "Set-Content -Path 'src/a.py' 'BODY'",
    "'BODY' | Out-File -LiteralPath 'src/a.py'",
    "'BODY' | Add-Content -Path src/a.py",
    "'BODY' | Tee-Object -FilePath src/a.py",
    "echo BODY | tee 'src/a.py'",
)


@pytest.mark.parametrize("command", WRITING)
def test_what_a_command_writes_stays_here(command: str) -> None:
    kept = withhold(command)
    assert "BODY" not in kept
    path = "a file" if command.startswith("python") else "src/a.py"
    assert f"[contents of {path} stay here: " in kept
    assert kept.split()[0] == command.split(maxsplit=1)[0] or command[0] in "\"'"
    assert withhold(kept) == kept, "a note is not replaced by a note about it"


@pytest.mark.parametrize(
    "command",
    [
        "echo done",
        "echo 'a > b'",
        "make 2> errors.log; echo done",
        "echo failed >&2",
        "echo failed 2>/dev/null",
        "echo x > /dev/null",
        "echo x >&-",
        "echo x 2> src/err.log",
        "echo > src/a.py",
        "echo -n > src/a.py",
        "make | tee src/a.py src/b.py",
        "make | Tee-Object src/a.py x",
        "make | Set-Content -Encoding utf8 src/a.py",
        "echo a) b",
        'echo "$VALUE" > out.txt',
        "make > log.txt && echo built",
        "grep -rn 'x = 1' src > found.txt",
        "sed -n '1,20p' src/a.py",
        "sed 's/x/y/' src/a.py",
        "perl -ne 'print if /x/' src/a.py",
        "echo a | sort | head -3",
        "git commit -m 'add -i option' && echo -i",
        "python -c \"import sys; sys.stdout.write('hello')\"",
        "Get-Content src/a.py",
        'Open "Home" > "Settings" and look',
        '"Home" > "Settings"',
        "He said:\n> echo it\nand I did",
        "node -e 'socket.write(\"hello there\")'",
        "awk '{ print $1 > \"x\" }' log",
        "test 1 -gt 0 && echo yes",
        "if [ $a > 3 ]; then echo big; fi",
    ],
)
def test_what_a_command_runs_or_prints_goes(command: str) -> None:
    assert withhold(command) == command


def test_only_the_written_text_is_replaced() -> None:
    command = "cd /src && echo 'SECRET = 1' > conf.py && python -m app --check | tee log.txt"
    assert withhold(command) == (
        "cd /src && echo [contents of conf.py stay here: 1 line, 12 bytes] > conf.py"
        " && python -m app --check | tee log.txt"
    )


NOTE = "[contents of src/a.py stay here: 1 line, 4 bytes]"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("echo -n BODY > src/a.py", f"echo -n {NOTE} > src/a.py"),
        ("echo BODY > src/a7", f"echo {NOTE.replace('a.py', 'a7')} > src/a7"),
        ("(echo a); echo BODY > src/a.py", f"(echo a); echo {NOTE} > src/a.py"),
        ('"Home" | echo BODY > settings', f'"Home" | echo {NOTE} > settings'),
        (
            "Set-Content src/a.py BODY -Encoding utf8",
            f"Set-Content src/a.py {NOTE} -Encoding utf8",
        ),
        ("ls | xargs -n1; sed -i BODY", f"ls | xargs -n1; sed -i {NOTE}"),
        (
            "echo \"open('b').write('BODY')\" > src/a.py",
            f"echo {NOTE.replace('4 bytes', '25 bytes')} > src/a.py",
        ),
    ],
)
def test_nothing_beside_the_written_text_is_replaced(command: str, expected: str) -> None:
    path = "settings" if "settings" in command else "a file" if "sed" in command else "src/a.py"
    assert withhold(command) == expected.replace("of src/a.py", f"of {path}")


@pytest.mark.parametrize(
    "unit", ["echo '", 'echo "', "echo a > ", "sed -i ", "{ ", ".write(", "\\"]
)
def test_any_text_takes_linear_time(unit: str) -> None:
    assert growth(withhold_written, lambda size: "> " + (unit * size)[:size]) < MAX_GROWTH
