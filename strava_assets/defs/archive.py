"""The two assets of bulk exports: the files that are used, and all rows of them. What they do is in `archive/`.

They have no partitions, since an export is no statement about any hour, and a group of their own, so that
materialising all hours of `strava_activity` asks for no export.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
from sqlalchemy import Engine

from strava_assets.archive.export import Export, open_export, open_zip
from strava_assets.archive.importing import RawArchive, Tracks, identify, keep_tables, keep_tracks, load_from_bucket
from strava_assets.archive.loading import LoadedArchive
from strava_assets.defs.failures import failures
from strava_assets.defs.names import OWNERS, Names
from strava_assets.defs.resources import RawBucket, resource_keys, resources_of
from strava_assets.errors import ArchiveUnreadable, PermanentError
from strava_assets.instance.personal_metadata import athlete_label
from strava_assets.mirror.archive import archives
from strava_assets.mirror.database import athlete_locked, transaction
from strava_assets.mirror.markdown import inert
from strava_assets.raw.archive_store import ArchiveStore
from strava_assets.settings import Settings

EXPORT = "export"
"""The metadata that says what an athlete's export is called, and which archive it is."""


class ArchiveConfig(dg.Config):
    """Which export is imported."""

    path: str | None = None
    """A zip or a folder on the machine that runs this, or a zip's URL, `s3://bucket/key`; none: no new one."""
    athlete_id: int | None = None
    """Whose export it is; needed only if the export does not say."""
    with_files: bool = False
    """Keep the original recordings, too."""


def make_archive_assets(settings: Settings, names: Names) -> list[dg.AssetsDefinition]:
    """`raw_archive` and `strava_archive`, with its check."""
    common: dict[str, Any] = {
        "group_name": f"{names.group}_archive",
        "owners": OWNERS,
        "tags": {"source": "strava"},
        "required_resource_keys": set(resource_keys(names)),
    }

    @dg.asset(
        key=names.raw_archive,
        kinds={"python", "s3"},
        description="The files of a bulk export that are used, byte for byte, in `{prefix}/{athlete_id}/archive/`: "
        "activities, gear and, if requested, the recordings. `path` in the config names the export.",
        **common,
    )
    def raw_archive(context: dg.AssetExecutionContext, config: ArchiveConfig) -> dg.MaterializeResult:
        """Keep the export that the config names; without one, say what is there."""
        with failures():
            resources = resources_of(context, names)
            store = resources.s3.open_archives()
            if not config.path:
                return dg.MaterializeResult(metadata={"archives": len(store.archives()), "imported": "none: no path"})
            with _opened(resources.s3, config.path) as export:
                raw = identify(export, config.athlete_id)
                with athlete_locked(resources.postgres.open(), raw.athlete_id):
                    keep_tables(store, export, raw)
                    tracks = keep_tracks(store, export, raw, lambda _: None) if config.with_files else None
                for problem in tracks.damaged if tracks else ():
                    context.log.warning(problem)
                return dg.MaterializeResult(metadata=raw_metadata(store, export, raw, tracks))

    @dg.asset(
        key=names.strava_archive,
        deps=[names.raw_archive],
        kinds={"python", "postgres", "table"},
        description="The table `strava_archive_activity`: all columns of all bulk exports in the bucket. Activities "
        "that Strava's API does not list also become rows of `strava_activity`.",
        metadata={"dagster/table_name": "public.strava_archive_activity"},
        check_specs=[
            dg.AssetCheckSpec(
                "no_archive_rejects",
                asset=names.strava_archive,
                description="strava_archive_reject is empty: every row of every export is an activity.",
            )
        ],
        **common,
    )
    def strava_archive(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        """Load every export that is in the bucket; the newest counts where several have an id."""
        with failures():
            resources = resources_of(context, names)
            store, engine = resources.s3.open_archives(), resources.postgres.open()
            oldest = settings.oldest_archived(datetime.now(UTC))
            loads: dict[str, LoadedArchive] = {}
            unreadable: list[str] = []
            kept_last = _kept_last(context.instance, names)
            for athlete_id, archive in _in_order(engine, store.archives()):
                try:
                    with athlete_locked(engine, athlete_id):
                        loads[archive] = load_from_bucket(
                            engine, store, athlete_id, archive, oldest, new_name=kept_last.get(archive)
                        )
                except PermanentError as error:
                    unreadable.append(f"{archive}: {error}")
            if unreadable:
                number = f"{len(unreadable)} of {len(unreadable) + len(loads)}"
                raise ArchiveUnreadable(f"{number} exports in the bucket are not loaded: {'; '.join(unreadable)}")
        return dg.MaterializeResult(metadata=rows_metadata(loads), check_results=[no_archive_rejects(names, loads)])

    return [raw_archive, strava_archive]


def raw_metadata(store: ArchiveStore, export: Export, raw: RawArchive, tracks: Tracks | None) -> dict[str, Any]:
    """Metadata of an export that was stored."""
    found = {
        athlete_label(EXPORT, raw.athlete_id): f"{export.name}, archive {raw.archive}",
        athlete_label("objects", raw.athlete_id): dg.MetadataValue.url(store.archive_url(raw.athlete_id, raw.archive)),
        "language": raw.table.columns.language_name,
        "columns": len(raw.table.header),
        "rows": len(raw.table.lines),
        "files": ", ".join(f"{count} {kind}" for kind, count in raw.kinds.items()),
    }
    if tracks:
        found |= {
            "recordings_copied": tracks.copied,
            "recordings_bytes": tracks.bytes,
            "recordings_present": tracks.present,
            "recordings_damaged": len(tracks.damaged),
        }
    return found


def rows_metadata(loads: Mapping[str, LoadedArchive]) -> dict[str, Any]:
    """Metadata of the rows of exports, by archive."""
    numbers = ("read", "inserted", "filled", "known", "deleted", "unchanged", "too_old", "rejected")
    total = {name: sum(getattr(loaded, name) for loaded in loads.values()) for name in numbers}
    return {"archives": len(loads), "dagster/row_count": total["read"] - total["rejected"], **total}


def record(
    instance: dg.DagsterInstance, names: Names, raw: Mapping[str, Any], loads: Mapping[str, LoadedArchive]
) -> None:
    """Have Dagster know of an import that a command did: both assets as materialised, without a run."""
    for key, metadata in ((names.raw_archive, raw), (names.strava_archive, rows_metadata(loads))):
        instance.report_runless_asset_event(dg.AssetMaterialization(key, metadata=metadata))
    check = no_archive_rejects(names, loads)
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            names.strava_archive,
            "no_archive_rejects",
            check.passed,
            severity=check.severity,
            description=check.description,
        )
    )


def no_archive_rejects(names: Names, loads: Mapping[str, LoadedArchive]) -> dg.AssetCheckResult:
    """Warns of rows that are no activity, with line and column of some; what stands there is not for Dagster's log."""
    reasons = [
        f"{archive}, {':'.join(reason.split(':')[:2])}"
        for archive, loaded in loads.items()
        for reason in loaded.reasons
    ]
    return dg.AssetCheckResult(
        passed=not reasons,
        check_name="no_archive_rejects",
        asset_key=names.strava_archive,
        severity=dg.AssetCheckSeverity.WARN,
        description=inert(f"Rows in strava_archive_reject: {len(reasons)} ({'; '.join(reasons[:5])}).")
        if reasons
        else "Every row of every export is an activity.",
    )


def _kept_last(instance: dg.DagsterInstance, names: Names) -> dict[str, str]:
    """What the export was called that `raw_archive` kept last, by its archive: the bucket does not say."""
    event = instance.get_latest_materialization_event(names.raw_archive)
    materialization = event.asset_materialization if event else None
    metadata = materialization.metadata if materialization else {}
    exports = [str(value.value) for label, value in metadata.items() if label.startswith(f"{EXPORT}_")]
    return {archive: name for name, _, archive in (each.rpartition(", archive ") for each in exports)}


def _in_order(engine: Engine, found: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Exports as they were imported, so that of two that are equally new the same one counts again; new ones last."""
    with transaction(engine) as connection:
        order = {(each.athlete_id, each.archive): number for number, each in enumerate(archives(connection))}
    return sorted(found, key=lambda each: order.get(each, len(order)))


@contextmanager
def _opened(bucket: RawBucket, path: str) -> Iterator[Export]:
    if not path.startswith("s3://"):
        with open_export(Path(path)) as export:
            yield export
        return
    with bucket.open_url(path) as file, open_zip(file, path.rpartition("/")[2]) as export:
        yield export
