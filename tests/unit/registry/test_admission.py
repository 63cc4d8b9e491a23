from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from ekaci_core.api import UsageFault
from ekaci_core.registry import Kind, PluginState, Registry

if TYPE_CHECKING:
    from tests.unit.registry.conftest import RecordingLog, Site

Load = Callable[..., Registry]

GOOD = """
@hookimpl
def ekaci_register_evaluator_types():
    return [Kind("lua")]

@hookimpl
def ekaci_register_builder_types():
    yield Kind("cloud")
"""

BROKEN = [
    ("import no_such_module_anywhere", "cannot be imported: ModuleNotFoundError: No module named"),
    ("raise SystemExit(3)", "cannot be imported: SystemExit: 3"),
    ("def broken(:\n    pass", "cannot be imported: SyntaxError:"),
    (GOOD + "\ndel EKACI_PLUGIN_API", "states no EKACI_PLUGIN_API; the contract of this EkaCI is 1"),
    (GOOD + "\nEKACI_PLUGIN_API = 2", "was written for EKACI_PLUGIN_API 2; the contract of this EkaCI is 1"),
    (GOOD + "\nEKACI_PLUGIN_API = True", "was written for EKACI_PLUGIN_API True"),
    (
        "@hookimpl\ndef ekaci_register_evalutor_types():\n    return []",
        "unknown hook 'ekaci_register_evalutor_types'",
    ),
    (
        "@hookimpl\ndef ekaci_register_builder_types(server):\n    return []",
        "Argument(s) {'server'} are declared in the hookimpl but can not be found in the hookspec",
    ),
    (
        "def ekaci_register_builder_types():\n    return []",
        "ekaci_register_builder_types is not marked with @hookimpl",
    ),
    (
        "@hookimpl\nasync def ekaci_register_builder_types():\n    return []",
        "ekaci_register_builder_types is async; hooks are synchronous",
    ),
    (
        "@hookimpl\nasync def ekaci_register_builder_types():\n    yield Kind('cloud')",
        "ekaci_register_builder_types is async; hooks are synchronous",
    ),
    (
        "async def later():\n    return []\n\n@hookimpl\ndef ekaci_register_builder_types():\n    return later()",
        "ekaci_register_builder_types returned coroutine, not a list of types",
    ),
    (
        "@hookimpl\ndef ekaci_register_builder_types():\n    return 1 / 0",
        "ekaci_register_builder_types raised ZeroDivisionError: division by zero",
    ),
    (
        "@hookimpl\ndef ekaci_register_builder_types():\n    yield Kind('cloud')\n    raise OSError('no\\nspace')",
        "ekaci_register_builder_types raised OSError: no space",
    ),
    (
        "@hookimpl\ndef ekaci_register_builder_types():\n    return 'cloud'",
        "ekaci_register_builder_types returned str, not a list of types",
    ),
    (
        "@hookimpl\ndef ekaci_register_builder_types():\n    return Kind('cloud')",
        "ekaci_register_builder_types returned Kind, not a list of types",
    ),
    (
        "@hookimpl\ndef ekaci_register_builder_types():\n    return [Kind]",
        "ekaci_register_builder_types: Kind is a class; an instance of it is wanted",
    ),
    ("@hookimpl\ndef ekaci_register_builder_types():\n    return [object()]", "object has no usable name: None"),
    (
        "@hookimpl\ndef ekaci_register_builder_types():\n    return [Kind('Cloud 9')]",
        "Kind has no usable name: 'Cloud 9'",
    ),
    (
        "@hookimpl\ndef ekaci_register_builder_types():\n    return [Kind('cloud', dict)]",
        "Kind cloud: config is <class 'dict'>, not an attrs class",
    ),
    (
        (
            "class Closed:\n    name = 'cloud'\n    config = Settings\n\n"
            "@hookimpl\ndef ekaci_register_builder_types():\n    return [Closed()]"
        ),
        "Closed cloud: has no method open",
    ),
    (
        (
            "class Later:\n    name = 'cloud'\n    config = Settings\n    async def open(self, config, context):\n"
            "        return config\n\n@hookimpl\ndef ekaci_register_builder_types():\n    return [Later()]"
        ),
        "Later cloud: open must return an async context manager",
    ),
    (
        (
            "class Sour:\n    @property\n    def name(self):\n        raise RuntimeError('sour')\n\n"
            "@hookimpl\ndef ekaci_register_builder_types():\n    return [Sour()]"
        ),
        "RuntimeError: sour",
    ),
    (
        "@hookimpl\ndef ekaci_register_builder_types():\n    return [Kind('cloud'), Kind('cloud')]",
        "registers builder cloud twice",
    ),
    ("", "implements no hook"),
]


def only_report(registry: Registry) -> tuple[PluginState, str]:
    (report,) = registry.reports
    return report.state, report.reason


def test_a_good_plugin_is_active_and_its_types_are_found(site: Site, load: Load, log: RecordingLog) -> None:
    site.install("ekaci-lua", GOOD, version="2.1", entry="lua-plugin")
    registry = load()
    (report,) = registry.reports
    assert report.state is PluginState.ACTIVE
    assert report.provenance == "plugin lua-plugin of ekaci-lua 2.1"
    assert report.registers == ("evaluator lua", "builder cloud")
    assert registry.evaluator_type("lua").name == "lua"
    assert registry.builder_type("cloud").name == "cloud"
    assert registry.names(Kind.EVALUATOR) == ("lua",)
    assert registry.provider(Kind.BUILDER, "cloud") == report
    assert log.entries == []


def test_ekaci_register_evaluator_types_alone_is_enough(site: Site, load: Load) -> None:
    site.install("ekaci-lua", "@hookimpl\ndef ekaci_register_evaluator_types():\n    return (Kind('lua'),)\n")
    assert load().names(Kind.EVALUATOR) == ("lua",)


def test_ekaci_register_builder_types_alone_is_enough(site: Site, load: Load) -> None:
    site.install("ekaci-cloud", "@hookimpl\ndef ekaci_register_builder_types():\n    return (Kind('cloud'),)\n")
    assert load().names(Kind.BUILDER) == ("cloud",)


@pytest.mark.parametrize(("code", "reason"), BROKEN, ids=[reason for _, reason in BROKEN])
def test_a_broken_plugin_is_a_row_with_the_reason(
    site: Site, load: Load, log: RecordingLog, code: str, reason: str
) -> None:
    site.install("ekaci-broken", code)
    site.install("ekaci-good", GOOD)
    registry = load()
    broken, good = registry.reports
    assert broken.state is PluginState.REJECTED
    assert reason in broken.reason
    assert "\n" not in broken.reason
    assert good.state is PluginState.ACTIVE
    assert registry.rejected == (broken,)
    (warning,) = log.warnings("plugin_rejected")
    assert warning == {"plugin": "plugin ekaci-broken of ekaci-broken 1.0", "reason": broken.reason}


def test_an_entry_point_to_nothing_is_a_row(site: Site, load: Load) -> None:
    site.install("ekaci-gone", "", entry_points="[ekaci.plugins]\ngone = ekaci_gone:missing\n")
    state, reason = only_report(load())
    assert state is PluginState.REJECTED
    assert reason.startswith("cannot be imported: AttributeError:")


def test_metadata_that_cannot_be_read_is_a_row(site: Site, load: Load) -> None:
    site.install("ekaci-garbled", "", entry_points="[ekaci.plugins]\nno equals sign here\n")
    site.install("ekaci-good", GOOD)
    good, garbled = load().reports
    assert good.state is PluginState.ACTIVE
    assert garbled.distribution == "ekaci-garbled"
    assert garbled.state is PluginState.REJECTED
    assert garbled.reason.startswith("its entry points cannot be read: ")


def test_broken_entry_points_of_strangers_are_not_our_affair(site: Site, load: Load) -> None:
    site.install("stranger", "", entry_points="[console_scripts]\nno equals sign here\n")
    assert load().reports == ()


def test_a_type_name_that_is_taken_rejects_the_later_plugin_and_names_both(site: Site, load: Load) -> None:
    site.install("ekaci-one", GOOD, version="1.5")
    site.install("ekaci-two", GOOD, version="2.5")
    registry = load()
    one, two = registry.reports
    assert one.state is PluginState.ACTIVE
    assert two.state is PluginState.REJECTED
    assert two.reason == (
        "evaluator lua of ekaci-two 2.5 is there already: plugin ekaci-one of ekaci-one 1.5 brings it; "
        "uninstall or disable one of them"
    )
    assert two.registers == ("evaluator lua", "builder cloud")
    assert registry.provider(Kind.EVALUATOR, "lua") == one


def test_the_core_comes_first_whatever_others_call_themselves(site: Site, load: Load) -> None:
    site.install("aaa", GOOD)
    site.install("ekaci-core", GOOD, entry="zzz", module="not_the_core")
    zzz, aaa = load().reports
    assert (zzz.distribution, zzz.state) == ("ekaci-core", PluginState.ACTIVE)
    assert (aaa.distribution, aaa.state) == ("aaa", PluginState.REJECTED)


def test_a_plugin_name_that_is_taken_rejects_the_later_plugin(site: Site, load: Load) -> None:
    site.install("ekaci-one", GOOD, entry="same")
    site.install("ekaci-two", "@hookimpl\ndef ekaci_register_builder_types():\n    return [Kind('moon')]", entry="same")
    one, two = load().reports
    assert (one.state, two.state) == (PluginState.ACTIVE, PluginState.REJECTED)
    assert two.reason.startswith("plugin same of ekaci-two 1.0 is there already")


@pytest.mark.parametrize("listed", ["lua-plugin", "ekaci-lua", "Ekaci_Lua", "other, lua-plugin", "other lua-plugin"])
def test_a_disabled_plugin_is_not_even_imported(site: Site, load: Load, listed: str, log: RecordingLog) -> None:
    site.install("ekaci-lua", "raise SystemExit(3)", entry="lua-plugin")
    state, reason = only_report(load(EKACI_DISABLED_PLUGINS=listed))
    assert state is PluginState.DISABLED
    assert reason == "listed in EKACI_DISABLED_PLUGINS"
    assert "ekaci_lua" not in sys.modules
    unknown = [fields["name"] for fields in log.warnings("disabled_plugin_unknown")]
    assert unknown == (["other"] if "other" in listed else [])


def test_disabling_one_of_two_that_clash_lets_the_other_in(site: Site, load: Load) -> None:
    site.install("ekaci-one", GOOD)
    site.install("ekaci-two", GOOD)
    registry = load(EKACI_DISABLED_PLUGINS="ekaci-one")
    assert registry.provider(Kind.BUILDER, "cloud").distribution == "ekaci-two"


def test_an_unknown_name_says_what_is_there(site: Site, load: Load) -> None:
    site.install("ekaci-lua", GOOD)
    with pytest.raises(UsageFault) as caught:
        load().evaluator_type("luq")
    assert str(caught.value) == "luq: no active plugin registers this evaluator"
    assert caught.value.do == "install the plugin that brings it, or choose one of lua; did you mean lua?"


def test_a_name_of_a_rejected_plugin_says_why_it_was_rejected(site: Site, load: Load) -> None:
    site.install("ekaci-lua", "import no_such_module_anywhere", entry="lua")
    with pytest.raises(UsageFault) as caught:
        load().builder_type("lua")
    assert caught.value.do is not None
    assert caught.value.do.startswith("mend what follows (")
    assert "plugin lua of ekaci-lua 1.0 is rejected: cannot be imported: ModuleNotFoundError" in caught.value.do


def test_the_same_distribution_twice_on_the_path_counts_once(site: Site, load: Load) -> None:
    site.install("ekaci-lua", GOOD, version="1.0")
    site.install("ekaci_lua", GOOD, version="0.9")
    assert len(load().reports) == 1
