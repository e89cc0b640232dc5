"""A logout: Strava is told to end the grant, then the token is deleted."""

from strava_assets.errors import ConfigurationError, StravaAssetsError
from strava_assets.strava.oauth import OAuth
from strava_assets.strava.tokens import TokenStore


def log_out(
    key: str, oauth: OAuth, tokens: TokenStore, *, even_if_strava_does_not_know: bool
) -> StravaAssetsError | None:
    """Revoke the token under `key`, then delete it.

    Where Strava cannot be told, its error is raised and the token kept, unless `even_if_strava_does_not_know`:
    then the token is deleted, and the error returned. Raises ConfigurationError if there is no token.
    """
    with tokens.locked(key):
        token = tokens.load(key)
        if token is None:
            raise ConfigurationError(f"Nobody is logged in under {key}.")
        unheard: StravaAssetsError | None = None
        try:
            oauth.revoke(token.refresh_token or token.access_token)
        except StravaAssetsError as error:
            if not even_if_strava_does_not_know:
                raise
            unheard = error
        tokens.delete(key)
    return unheard
