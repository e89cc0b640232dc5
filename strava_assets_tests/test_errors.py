"""What an `except` of one branch means does not depend on those before it."""

from strava_assets.errors import (
    AthleteError,
    ConfigurationError,
    PermanentError,
    StravaAssetsError,
    TransientError,
)


def all_below(kind: type[StravaAssetsError]) -> set[type[StravaAssetsError]]:
    return {kind}.union(*(all_below(each) for each in kind.__subclasses__()))


def test_each_error_is_of_one_branch() -> None:
    kinds = {each for each in all_below(StravaAssetsError) if each.__module__ == "strava_assets.errors"}
    assert len(kinds) > 20
    for kind in kinds - {StravaAssetsError, AthleteError}:
        branches = [
            branch for branch in (TransientError, PermanentError, ConfigurationError) if issubclass(kind, branch)
        ]
        assert len(branches) == 1, kind
