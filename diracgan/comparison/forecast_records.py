"""Claim D's records as they are kept, in JSON: of a run under one setting, and of a critical value."""

from __future__ import annotations

from typing import Literal, TypedDict


class WatchedRun(TypedDict):
    """What the watched series of a run did, one number each; nothing but ``finite`` where it is False."""

    finite: bool
    level: list[float]
    spread: list[float]
    frequency: list[float | None]
    mean_frequency: list[float]
    oscillates: list[bool]


class ForecastNumbers(TypedDict):
    """Those of the numbers of :class:`~diracgan.measure.forecast.SeriesForecast` by which a forecast is scored."""

    spread: float
    spread_low: float
    spread_high: float
    mean_frequency: float | None
    frequency: float | None


class ForecastRecord(TypedDict):
    """A run from a checkpoint under one setting: its forecast by series, and what it did before and after."""

    kind: Literal["setting"]
    group: str
    variant: str
    seed: int
    setting: str
    status: str
    growth: float | None
    departure: float | None
    lr_over_batch: float
    forecast: dict[str, ForecastNumbers]
    before: WatchedRun
    measured: WatchedRun


class CriticalRecord(TypedDict):
    """From where on a checkpoint's runs are said to blow up, and from where on they do; None where neither is seen."""

    kind: Literal["critical"]
    group: str
    variant: str
    seed: int
    parameter: str
    now: float
    predicted: float | None
    measured: float | None


class SpreadRow(TypedDict):
    """The spread of one series of a run: measured, forecast, and guessed in four ways; None where a guess says none."""

    series: str
    setting: str
    group: str
    measured: float
    forecast: float
    constant: float | None
    root: float | None
    shuffled: float | None
    persistence: float | None
    inside: bool
