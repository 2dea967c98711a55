from __future__ import annotations

from pathlib import Path

import pytest

from agents.profile import CustomerProfile, PlantProfile, StockedMaterial, SupplierProfile, admission
from agents.profile_file import ProfileFileError, format_profile, parse_profile, read_profile
from takt_sdk.model.capability import Requirement

EXAMPLE = Path(__file__).parents[3] / "docs" / "agents" / "plant.toml"


def test_the_documented_example_is_a_plant_that_is_eligible_for_milling() -> None:
    profile = read_profile(EXAMPLE)
    assert isinstance(profile, PlantProfile)
    admitted = admission(profile)
    assert (admitted.participant, admitted.roles, admitted.sites) == ("acme", ("plant",), ("munich",))
    requirement = Requirement(
        process="cnc_mill_3axis", material="steel_1045", tolerance_um=20, certificates=("iso-9001",)
    )
    assert admitted.qualification.eligible(requirement, "nda")
    assert not admitted.qualification.eligible(requirement, "restricted")


def test_a_profile_survives_its_file() -> None:
    supplier = SupplierProfile(
        participant="steel-ag",
        site="essen",
        materials=(StockedMaterial(material="steel", cost_minor_per_unit=120, stock_per_period=500),),
    )
    customer = CustomerProfile(participant="buyer", site="berlin", other_sites=("koeln",))
    for profile in (read_profile(EXAMPLE), supplier, customer):
        assert parse_profile(format_profile(profile)) == profile


def test_admission_tells_no_cost() -> None:
    profile = read_profile(EXAMPLE)
    assert "6500" not in repr(admission(profile))


@pytest.mark.parametrize(
    ("old", "new", "field", "value"),
    [
        ("machines = 3", "machines = 3.5", "work_centres[0].machines", 3.5),
        ("machines = 3", 'machines = "3"', "work_centres[0].machines", "3"),
        ("machines = 3", "machine = 3", "work_centres[0].machine", 3),
        ('role = "plant"', 'role = "carrier"', "role", "carrier"),
        ("weekdays = [0, 1, 2, 3, 4]", "weekdays = [true]", "work_centres[0].shifts[0].weekdays[0]", True),
    ],
)
def test_a_bad_value_is_named_with_its_field(old: str, new: str, field: str, value: object) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(ProfileFileError) as caught:
        parse_profile(text.replace(old, new, 1), source="acme.toml")
    assert (caught.value.field, caught.value.value) == (field, value)
    assert f"acme.toml: {field}" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("machines = 3", "machines = 0", "machines is out of range: 1 to 1000; was 0"),
        ('participant = "acme"', 'participant = "Acme AG"', "participant is not a valid id"),
        ("end_minute = 1_320", "end_minute = 300", "end_minute must end after it starts"),
        ('id = "assembly"', 'id = "mill"', "was 'mill'"),
    ],
)
def test_a_broken_rule_is_named_with_its_value(old: str, new: str, message: str) -> None:
    with pytest.raises(ProfileFileError, match=message):
        parse_profile(EXAMPLE.read_text(encoding="utf-8").replace(old, new, 1))


def test_a_file_that_is_not_toml_or_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(ProfileFileError, match="is not TOML"):
        parse_profile("role = ")
    with pytest.raises(ProfileFileError, match="cannot be read"):
        read_profile(tmp_path / "absent.toml")
    with pytest.raises(ProfileFileError, match="holds a value that no profile has"):
        parse_profile('role = "plant"\nparticipant = 2026-01-01')


def test_overlapping_shifts_are_refused() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    twice = text + "\n[[work_centres.shifts]]\nstart_minute = 900\nend_minute = 1000\n"
    with pytest.raises(ProfileFileError, match="shifts overlap on weekday 0"):
        parse_profile(twice)
