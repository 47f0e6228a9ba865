import hashlib
from pathlib import Path

import pytest

from perch.media.storing import MediaStore, digest

SHA = hashlib.sha256(b"bytes").hexdigest()


async def test_a_file_is_kept_for_its_owners_eyes_only(store: MediaStore, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"bytes")

    await store.put(source, store.key(SHA))

    kept = store.local_path(store.key(SHA))
    assert kept.read_bytes() == b"bytes"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "media").stat().st_mode & 0o777 == 0o700
    assert digest(kept) == SHA


async def test_parts_and_the_whole_are_read_back(store: MediaStore, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(range(256)) * 12_000)

    await store.put(source, store.key(SHA))

    assert await store.read(store.key(SHA), 255, 3) == b"\xff\x00\x01"
    pieces = [piece async for piece in store.stream(store.key(SHA))]
    assert b"".join(pieces) == source.read_bytes()
    assert len(pieces) > 1


async def test_what_is_not_there_is_not_found(store: MediaStore) -> None:
    with pytest.raises(FileNotFoundError):
        await store.read(store.key(SHA), 0, 1)


async def test_a_deleted_file_is_gone_and_may_be_deleted_again(store: MediaStore, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"bytes")
    await store.put(source, store.key(SHA))

    await store.delete(store.key(SHA))
    await store.delete(store.key(SHA))

    assert not store.local_path(store.key(SHA)).exists()


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, SHA[:-1], SHA + "/", "..%2f" + SHA[5:]])
def test_only_a_hash_becomes_a_key(name: str) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        MediaStore.key(name)


def test_a_scratch_folder_is_gone_afterwards(store: MediaStore) -> None:
    with store.scratch() as folder:
        (folder / "file").touch()

    assert not folder.exists()
