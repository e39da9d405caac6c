"""The `prograd` command: what it prints, its JSON, its exit codes, and the commands that others bring."""

from __future__ import annotations

import json
import subprocess
import sys

import click
import numpy as np
import pytest
from click.testing import CliRunner

import prograd
from prograd import Elementwise, Layer
from prograd.commands.group import GROUP, main
from prograd.plugins.loading import BrokenPlugin, Plugin
from prograd.plugins.registry import Registry
from prograd.tape import machine
from tests.helpers.distributions import Site


class Wrong(Elementwise):
    """Its derivative has the wrong sign."""

    def phi(self, z):
        return np.tanh(z)

    def dphi(self, z, z_next):
        return z_next**2 - 1


class NoExamples(Layer):
    """Has an option without a default, and no examples."""

    def __init__(self, width):
        self.width = width

    def shapes(self, n_in):
        return self.width, {}

    def g(self, w, z):
        return z

    def jacobian(self, w, z, z_next):
        return {}, np.eye(self.width)


def run(*arguments: str):
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch):
    """Replaces the installed registry by one that the test makes."""

    def register(layers=(), broken=()) -> None:
        layers = dict(layers)
        plugin = Plugin("waves", "acme-waves", "1.2", layers, {})
        found = Registry(layers, {}, (plugin,), tuple(broken))
        for command in ("plugins", "check", "show"):
            monkeypatch.setattr(f"prograd.commands.{command}.registry", lambda: found)

    return register


BROKEN = BrokenPlugin("more-losses", "acme-losses", "0.3", "ImportError: no module", "Traceback:\n  line 3")


def test_plugins_lists_what_is_installed() -> None:
    result = run("plugins")
    assert result.exit_code == 0
    for name in (*prograd.registry().layers, *prograd.registry().losses):
        assert name in result.output


def test_plugins_as_json() -> None:
    rows = json.loads(run("plugins", "--json").output)
    assert {tuple(row) for row in rows} == {
        ("name", "kind", "distribution", "version", "status", "recordable", "error")
    }
    first_party = {(row["name"], row["kind"]) for row in rows if row["distribution"] == "prograd"}
    assert {("affine", "layer"), ("softmax_cross_entropy", "loss")} <= first_party
    affine = next(row for row in rows if row["name"] == "affine")
    assert affine["status"] == "ok"
    assert affine["recordable"] == "yes"
    assert affine["error"] is None
    assert affine["version"] == prograd.__version__


def test_plugins_lists_what_is_broken_and_why(registered) -> None:
    registered({"wrong": Wrong}, [BROKEN])
    rows = json.loads(run("plugins", "--json").output)
    assert rows[0] == {
        "name": "wrong",
        "kind": "layer",
        "distribution": "acme-waves",
        "version": "1.2",
        "status": "ok",
        "recordable": "yes",
        "error": None,
    }
    assert rows[1]["recordable"] is None
    assert (rows[1]["name"], rows[1]["kind"], rows[1]["status"]) == ("more-losses", "loss", "broken")
    assert rows[1]["error"] == "ImportError: no module\nTraceback:\n  line 3"
    table = run("plugins")
    assert table.exit_code == 0
    assert "more-losses of acme-losses 0.3 is broken:\n    ImportError: no module\n    Traceback:" in table.output


def test_plugins_tells_how_to_get_the_machine_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "compiled", None)
    told = run("plugins").output.splitlines()[-1]
    assert told == "numpy replays tapes here; to have a machine in C do it, install a C compiler, then prograd again"
    json.loads(run("plugins", "--json").output)
    monkeypatch.setattr(machine, "compiled", object())
    assert "numpy replays" not in run("plugins").output


def test_plugins_tells_who_is_slow_to_load(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = Plugin("quick", "acme", "1", {}, {}, seconds=0.00123)
    slow = BrokenPlugin("slow", "acme", "2", "ImportError", seconds=1.5)
    monkeypatch.setattr("prograd.commands.plugins.registry", lambda: Registry({}, {}, (quick,), (slow,)))
    lines = [line.split() for line in run("plugins", "--times").output.splitlines()]
    assert lines[1:3] == [["1.50", "s", "slow", "acme", "2", "broken"], ["1.23", "ms", "quick", "acme", "1", "ok"]]
    assert lines[-1][:4] == ["1.50", "s", "in", "all;"]
    rows = json.loads(run("plugins", "--times", "--json").output)
    assert [(row["name"], row["status"], row["seconds"]) for row in rows] == [
        ("slow", "broken", 1.5),
        ("quick", "ok", 0.00123),
    ]


def test_loading_takes_time() -> None:
    assert min(plugin.seconds for plugin in prograd.registry().plugins) > 0


def test_check_passes_what_is_right() -> None:
    result = run("check", "tanh", "squared_error")
    assert result.exit_code == 0, result.output
    assert "all 2 conform" in result.output


def test_check_as_json() -> None:
    result = run("check", "affine", "--json")
    (found,) = json.loads(result.output)
    assert (found["name"], found["kind"], found["distribution"]) == ("affine", "layer", "prograd")
    assert found["status"] == "passed"
    assert len(found["examples"]) > 1
    check = found["examples"][0]["checks"][0]
    assert check == {"name": "shapes", "status": "passed", "message": ""}


def test_check_names_what_is_wrong(registered) -> None:
    registered({"wrong": Wrong})
    result = run("check", "wrong")
    assert result.exit_code == 1
    assert "1 of 1 do not conform" in result.output
    assert "jacobian_B: B[" in result.output
    assert "likely cause: the sign" in result.output
    (found,) = json.loads(run("check", "--json").output)
    assert found["status"] == "failed"


class Needy(prograd.Elementwise):
    """Right, but asks for a number."""

    def phi(self, z):
        return z * (float(z[0, 0]) * 0 + 2)

    def dphi(self, z, z_next):
        return np.full_like(z, 2)


class Flat(prograd.Elementwise):
    """g(z) is a vector, though z is a matrix."""

    def phi(self, z):
        return z.reshape(-1)

    def dphi(self, z, z_next):
        return z * 0 + 1


def test_check_and_plugins_say_what_cannot_be_recorded(registered) -> None:
    registered({"needy": Needy, "relu": prograd.registry().layers["relu"]})
    reason = "needy.phi needs a number (float)"
    for command in ("check", "plugins"):
        rows = {row["name"]: row["recordable"] for row in json.loads(run(command, "--json").output)}
        assert rows == {"needy": reason, "relu": "yes"}
    result = run("check")
    assert result.exit_code == 0
    assert "all 2 conform" in result.output
    assert f"advice, recordable: {reason}, which a tape can't run" in result.output
    assert f"needy, recordable: {reason}" in run("plugins").output


def test_what_gives_wrong_shapes_is_not_said_to_need_numbers(registered) -> None:
    registered({"flat": Flat})
    (row,) = json.loads(run("check", "--json").output)
    assert row["recordable"] == "unknown: means nothing while shapes fails"
    assert run("check").output.splitlines()[1].split()[-2:] == ["failed", "unknown"]


class Untold(Elementwise):
    def __init__(self, gain=2.0):
        self.gain = gain

    def phi(self, z):
        return z * z.dtype.type(self.gain)

    def dphi(self, z, z_next):
        return np.full_like(z, self.gain)


def test_check_says_what_a_docstring_leaves_untold(registered) -> None:
    registered({"untold": Untold})
    result = run("check", "untold")
    assert result.exit_code == 0
    assert "advice, docstring: tells nothing of the formula, gain, which `prograd show` prints" in result.output


def test_check_fails_where_there_is_nothing_to_try(registered) -> None:
    registered({"no_examples": NoExamples})
    result = run("check", "no_examples")
    assert result.exit_code == 1
    assert "expected its own examples()" in result.output


def test_check_of_everything_fails_for_a_broken_plugin(registered) -> None:
    registered({"relu": prograd.registry().layers["relu"]}, [BROKEN])
    result = run("check")
    assert result.exit_code == 1
    assert "more-losses" in result.output
    assert "ImportError: no module" in result.output
    assert run("check", "relu").exit_code == 0


def test_check_of_an_unknown_name_offers_the_closest() -> None:
    result = run("check", "afine")
    assert result.exit_code == 2
    assert "layer, loss or penalty: expected a known name, got 'afine'; did you mean 'affine'" in result.stderr


def test_an_unknown_command_offers_the_closest() -> None:
    result = run("chekc")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: command: expected a known name, got 'chekc'; did you mean 'check'")


def test_help_cuts_no_sentence(brought) -> None:
    brought(hello="cli_commands:hello", hidden="cli_commands:hidden", gone="a_module_that_nobody_has:main")
    text = run("--help").output
    listed = " ".join(text.partition("Commands:")[2].split())
    assert "..." not in listed
    assert "bytes moved and seconds of every mode. plugins" in listed
    assert "hello Say hello." in listed
    assert "gone (not available here)" in listed
    assert "hidden" not in listed


# Completion.


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["sh"], {"show"}),
        (["show", "aff"], {"affine"}),
        (["show", "hu"], {"huber"}),
        (["show", "affine", ""], {"width=", "bias="}),
        (["show", "no_such_layer", ""], set()),
        (["show", "--structure", "diag"], {"Diagonal", "Diagonal@Diagonal", "DiagonalPlusLowRank"}),
        (["check", "relu", "soft"], {"softmax", "softplus", "softmax_cross_entropy"}),
        (["plan", "--layer", "leaky"], {"leaky_relu"}),
        (["tape", "--loss", "h"], {"hinge", "huber"}),
        (["tape", "--mode", ""], set(prograd.MODES)),
    ],
)
def test_the_shell_completes(words, offered) -> None:
    position = {"COMP_WORDS": " ".join(["prograd", *words]), "COMP_CWORD": str(len(words))}
    result = CliRunner().invoke(main, [], prog_name="prograd", env={"_PROGRAD_COMPLETE": "bash_complete", **position})
    assert {line.removeprefix("plain,") for line in result.output.split()} == offered


def test_a_completed_structure_is_one() -> None:
    assert "cross_entropy" in run("show", "--structure", "Diagonal@Diagonal").output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--wrong"], "No such option '--wrong'."),
        (["chekc"], "command: expected a known name, got 'chekc'; did you mean 'check'"),
        (["plan", "--n-in", "0"], "Invalid value for '--n-in': 0 is not in the range x>=1 (see "),
        (["plan", "-l", "affine width=0", "--n-in", "3"], "affine: width: expected an integer of at least 1, got 0"),
        (["plan", "-n", "nowhere.json"], "nowhere.json: expected a path that can be used, got no such file"),
        (["new", "prograd-waves", "--dir", f"{__file__}/x"], "expected a path that can be used, got"),
        (["tape", "-l", "tanh", "--n-in", "9", "--batch", "9" * 15], "memory: expected arrays that fit, got: "),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(words, message) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_tells_the_exit_codes(flag) -> None:
    assert "Exit codes: 0 for success; 1 if something failed" in " ".join(run(flag).output.split())
    assert "2: unknown name" in " ".join(run("check", flag).output.split())


def test_version() -> None:
    assert run("--version").output == f"prograd, version {prograd.__version__}\n"


def test_a_plugin_error_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse():
        raise prograd.errors.PluginError("plugin 'waves' is broken")

    monkeypatch.setattr("prograd.commands.plugins.registry", refuse)
    result = run("plugins")
    assert result.exit_code == 1
    assert result.stderr == "Error: plugin 'waves' is broken\n"


# The catalogue.


def test_show_tells_of_a_layer() -> None:
    text = run("show", "affine", "width=32", "--n-in", "64").output
    for part in (
        "affine, a layer",
        "g(W, b; z) = W z + b",
        "from        prograd",
        "recordable  yes",
        "example     Affine(width=32, bias=True)",
        "For 64 inputs, 32 outputs",
    ):
        assert part in text
    lines = [line.split() for line in text.splitlines()]
    assert ["width", "int", "required", "the", "number", "of", "outputs."] in lines
    assert ["A[W]", "(32,", "64)", "Kronecker", "32", "×", "2048", "per", "sample", "2,048", "2,048"] in lines
    assert ["all", "4,096", "4,096"] in lines


def test_show_tells_of_a_loss() -> None:
    text = run("show", "hinge").output
    assert "y           one-hot, of at least two classes.\nlabels      checked when an objective is built" in text
    assert ["hessian", "Zero", "3", "×", "3", "shared", "0", "0"] in [line.split() for line in text.splitlines()]


def test_show_lists_what_there_is_and_by_structure() -> None:
    assert {"affine", "hinge"} <= {line.split(" ")[0] for line in run("show").output.splitlines()}
    listed = json.loads(run("show", "--structure", "diagonal", "--json").output)
    assert {"tanh", "scale_shift", "huber"} <= {row["name"] for row in listed}
    assert {row["structure"] for row in listed} == {"Diagonal", "Diagonal @ Diagonal"}


def test_show_tells_of_others_what_they_tell(registered) -> None:
    registered({"wrong": Wrong, "no_examples": NoExamples})
    assert "from        acme-waves 1.2" in run("show", "wrong").output
    text = run("show", "no_examples").output
    assert "can't be evaluated: NoExamples: expected its own examples()" in text
    assert ["width", "required", "its", "docstring", "does", "not", "tell"] in [
        line.split() for line in text.splitlines()
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["afine"], "layer, loss or penalty: expected a known name, got 'afine'; did you mean 'affine'"),
        (["--structure", "diagnal"], "did you mean 'Diagonal'"),
        (["affine", "--structure", "diagonal"], "expected no name with it"),
        (["--n-in", "3"], "--n-in: expected the name of a layer with it, got none"),
        (["affine", "width"], "affine: expected OPTION=VALUE, got 'width'"),
    ],
)
def test_show_refuses_what_it_does_not_know(arguments, message) -> None:
    result = run("show", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


# Commands that others bring.


@click.command()
@click.option("--loud", is_flag=True)
def hello(loud: bool) -> None:
    """Say hello."""
    click.echo("HELLO" if loud else "hello")


@click.command(hidden=True)
def hidden() -> None:
    """Not listed."""


@click.command()
def needy() -> None:
    import a_module_that_nobody_has  # noqa: F401, PLC0415


no_command = 3


@pytest.fixture
def brought(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """Installs the distribution `acme` with these commands; this module can be reached as `cli_commands`."""

    def bring(**points: str) -> None:
        monkeypatch.setitem(sys.modules, "cli_commands", sys.modules[__name__])
        monkeypatch.syspath_prepend(str(tmp_path))
        lines = [f"{name} = {value}\n" for name, value in points.items()]
        Site(tmp_path).install("acme", f"[{GROUP}]\n{''.join(lines)}")

    return bring


def test_a_command_of_another_distribution_joins(brought) -> None:
    brought(hello="cli_commands:hello")
    assert run("hello", "--loud").output == "HELLO\n"
    assert "Say hello." in run("--help").output


def test_prograds_own_commands_come_first(brought) -> None:
    brought(plugins="cli_commands:hello")
    assert "affine" in run("plugins").output


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "a_module_that_nobody_has:main [waves]",
            "expected the module 'a_module_that_nobody_has', which is not installed",
        ),
        ("a_module_that_nobody_has:main [waves]", "pip install 'acme[waves]'"),
        ("cli_commands:needy [waves]", "pip install 'acme[waves]'"),
        ("cli_commands:no_command", "expected a click command, got int"),
        ("cli_commands:gone", "can't be loaded: AttributeError"),
    ],
)
def test_a_command_that_is_not_available_says_why(brought, value, message) -> None:
    brought(other=value, hello="cli_commands:hello")
    result = run("other", "--some-option", "argument") if "needy" not in value else run("other")
    assert result.exit_code == 1
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert run("hello").exit_code == 0
    assert run("--help").exit_code == 0


@pytest.mark.starts_processes
@pytest.mark.parametrize("command", ["collect", "report"])
def test_a_command_that_needs_an_extra_names_it(command, tmp_path) -> None:
    code = f"import sys; sys.modules['omegaconf'] = sys.modules['matplotlib'] = None; sys.argv[1:] = {[command, '.']}"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; from prograd.commands.group import main; main()"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert done.stderr.endswith("which is not installed; install it with: pip install 'prograd[experiments]'\n")


def test_a_mistake_inside_prograd_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone():
        raise ModuleNotFoundError(name="prograd.gone")

    monkeypatch.setattr("prograd.commands.plugins.registry", gone)
    assert isinstance(run("plugins").exception, ModuleNotFoundError)


@pytest.mark.starts_processes
def test_the_installed_command_starts() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prograd", "check", "relu"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "all 1 conform" in done.stdout


@pytest.mark.starts_processes
def test_starting_loads_neither_plugins_nor_tables_nor_the_kit() -> None:
    code = (
        "import sys, prograd.commands.group; "
        "print([m for m in ('prograd_layers', 'prograd.testing', 'rich', 'hydra', 'pytest') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.starts_processes
def test_the_kit_needs_no_pytest() -> None:
    code = "import sys, prograd.testing; print('pytest' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_check_fails_where_there_is_nothing_to_check(registered) -> None:
    registered()
    result = run("check")
    assert result.exit_code == 1
    assert "expected layers, losses or penalties to check" in result.output
