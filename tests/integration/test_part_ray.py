"""Helpers on a Ray cluster: the session's."""

from __future__ import annotations

import pytest

from market.adapters.part_ray import RayHelper, hire_on
from market.clearing.search.part_search import Helper, Hire
from tests.contract.helper_contract import HelperContract


@pytest.mark.usefixtures("ray_session")
class TestRay(HelperContract):
    """One actor per helper."""

    @pytest.fixture
    def hire(self, ray_session: None) -> Hire:  # noqa: ARG002  Ray runs
        return hire_on("auto")

    def lose(self, helper: Helper) -> None:
        assert isinstance(helper, RayHelper)
        helper.close()
