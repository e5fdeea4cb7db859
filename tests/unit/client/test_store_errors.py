import obstore
import pytest
from obstore.store import MemoryStore

from footplate.client.store import Location, using
from footplate.errors import ClusterAccess


def test_what_the_store_itself_said_is_what_is_told() -> None:
    said = (
        "Generic S3 error: Error performing POST http://127.0.0.1:1/b/k in 1ms - Server returned non-2xx status code: "
        '500 Internal Server Error: <?xml version="1.0"?>\n<Error><Code>InternalError</Code><Message>Try again.</Message></Error>'
    )
    place = Location(MemoryStore(), "s3://b", "", "http://store")
    with (
        pytest.raises(ClusterAccess, match=r"500 Internal Server Error \(InternalError: Try again\)"),
        using(place, "upload"),
    ):
        raise obstore.exceptions.GenericError(said)
