import pytest

from footplate.client.service_forward import ServicePort, service_of


@pytest.mark.parametrize(
    ("url", "service"),
    [
        (
            "http://object-store.footplate-object-store.svc:7070",
            ServicePort("footplate-object-store", "object-store", 7070),
        ),
        ("http://store.system.svc.cluster.local", ServicePort("system", "store", 80)),
        ("http://192.0.2.1:9000", None),
        ("https://s3.eu-west-1.amazonaws.com", None),
        ("https://bucket.svc.example.com", None),
        ("", None),
    ],
)
def test_an_address_within_the_cluster_names_a_service(url: str, service: ServicePort | None) -> None:
    assert service_of(url) == service
