import pytest
from photo_files import FILES


@pytest.fixture(scope="session")
def photo_bytes():
    """Small photos of every container, by file name."""
    return {name: make() for name, make in FILES.items()}


@pytest.fixture(params=FILES)
def photo(request, tmp_path, photo_bytes):
    """The path of a small photo, of each container in turn."""
    path = tmp_path / request.param
    path.write_bytes(photo_bytes[request.param])
    return path
