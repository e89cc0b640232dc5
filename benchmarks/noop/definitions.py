"""Two hourly assets that do nothing, on the same storage: what Dagster itself costs."""

import dagster as dg

hours = dg.HourlyPartitionsDefinition(start_date="2024-01-01-00:00", end_offset=1)


@dg.asset(partitions_def=hours, backfill_policy=dg.BackfillPolicy.single_run())
def first() -> dg.MaterializeResult:
    return dg.MaterializeResult()


@dg.asset(partitions_def=hours, deps=[first], backfill_policy=dg.BackfillPolicy.single_run())
def second() -> dg.MaterializeResult:
    return dg.MaterializeResult()


defs = dg.Definitions(assets=[first, second], executor=dg.in_process_executor)
