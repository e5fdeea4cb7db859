"""The packaged table, and price files of one's own."""

from datetime import date
from pathlib import Path

import pytest

from footplate.costs.machines import gpus, vcpus
from footplate.costs.prices import CLOUDS, MONTH, Market, PricesInvalid, load

HEAD = "cloud,region,item,market,usd,unit,source,date\n"


def test_every_row_has_a_source_a_date_and_a_price() -> None:
    rows = list(load()._prices.items())
    assert {cloud for (cloud, *_), _ in rows} == set(CLOUDS)
    for _, price in rows:
        assert price.usd > 0
        assert price.source
        assert price.date >= date(2026, 1, 1)


@pytest.mark.parametrize(
    ("cloud", "region", "machine", "market", "usd"),
    [
        ("aws", "us-east-1", "p5.48xlarge", Market.ON_DEMAND, 55.04),
        ("aws", "eu-north-1", "p5.48xlarge", Market.ON_DEMAND, 58.8928),
        ("aws", "us-west-2", "p5.48xlarge", Market.SPOT, 12.9727),
        ("gcp", "us-central1", "g2-standard-4", Market.ON_DEMAND, 0.706824),
        ("gcp", "us-central1", "a2-highgpu-8g", Market.SPOT, 8.816124),
    ],
)
def test_prices_are_by_region_machine_and_market(
    cloud: str, region: str, machine: str, market: Market, usd: float
) -> None:
    price = load().find(cloud, region, machine, market)
    assert price is not None
    assert price.hourly == pytest.approx(usd)


def test_what_is_not_in_the_table_has_no_price() -> None:
    table = load()
    assert table.find("aws", "sa-east-1", "p5.48xlarge", Market.ON_DEMAND) is None
    assert table.find("gcp", "us-central1", "a4-highgpu-8g", Market.ON_DEMAND) is None


def test_a_fee_of_every_region_and_a_monthly_price() -> None:
    table = load()
    cluster = table.find("aws", "sa-east-1", "eks-cluster", Market.ON_DEMAND)
    disk = table.find("aws", "us-east-1", "disk:gp3", Market.ON_DEMAND)
    assert cluster is not None
    assert cluster.hourly == 0.1
    assert disk is not None
    assert disk.hourly == pytest.approx(0.08 / MONTH)


def test_a_price_file_of_ones_own_wins(tmp_path: Path) -> None:
    own = tmp_path / "contract.csv"
    own.write_text(HEAD + "aws,us-east-1,p5.48xlarge,on-demand,30,hour,contract 7,2026-10-01\n")
    price = load([own]).find("aws", "us-east-1", "p5.48xlarge", Market.ON_DEMAND)
    assert price is not None
    assert (price.usd, price.source) == (30, "contract 7")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("region,item\n", "the column 'cloud' is missing"),
        (HEAD + "azure,r,m,spot,1,hour,s,2026-01-01\n", "line 2: cloud is 'azure'"),
        (HEAD + "aws,r,m,cheap,1,hour,s,2026-01-01\n", "line 2: market is 'cheap'"),
        (HEAD + "aws,r,m,spot,1,day,s,2026-01-01\n", "line 2: unit is 'day'"),
        (HEAD + "aws,r,m,spot,1,hour,,2026-01-01\n", "line 2: source is empty"),
        (HEAD + "aws,r,m,spot,free,hour,s,2026-01-01\n", "line 2: could not convert string to float: 'free'"),
        (HEAD + "aws,r,m,spot,-1,hour,s,2026-01-01\n", "line 2: usd is -1"),
        (HEAD + "aws,r,m,spot,1,hour,s,yesterday\n", "line 2: Invalid isoformat string: 'yesterday'"),
    ],
)
def test_a_wrong_price_file_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    own = tmp_path / "own.csv"
    own.write_text(text)
    with pytest.raises(PricesInvalid) as caught:
        load([own])
    assert message in caught.value.message


def test_a_price_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PricesInvalid, match=r"none\.csv cannot be read"):
        load([tmp_path / "none.csv"])


@pytest.mark.parametrize("cloud", CLOUDS)
def test_priced_gpu_machines_are_known_with_their_gpus_and_vcpus(cloud: str) -> None:
    families = {"aws": ("p3", "p4", "p5", "p6", "g4dn", "g5", "g6.", "g6e"), "gcp": ("a2-", "a3-", "g2-")}[cloud]
    region = {"aws": "us-east-1", "gcp": "us-central1"}[cloud]
    machines = [m for m in load().machines(cloud, region) if m.startswith(families)]
    assert len(machines) > 15
    for machine in machines:
        assert gpus(cloud, machine) is not None, machine
        assert vcpus(cloud, machine), machine
