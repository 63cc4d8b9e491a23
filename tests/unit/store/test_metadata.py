from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.model.package import PackageMeta
from ekaci_core.store.metadata import body_of, digest_of, meta_of

LABELS = st.lists(st.text(), max_size=3).map(tuple)
TEXTS = st.none() | st.text()
METAS = st.builds(
    PackageMeta,
    licenses=LABELS,
    maintainers=LABELS,
    position=TEXTS,
    broken=st.booleans(),
    insecure=st.booleans(),
    unfree=st.booleans(),
    description=TEXTS,
    homepage=TEXTS,
)


@given(METAS)
def test_metadata_comes_back(meta: PackageMeta) -> None:
    assert meta_of(body_of(meta)) == meta


@given(METAS, METAS)
def test_contents_are_equal_exactly_where_metadata_is(one: PackageMeta, other: PackageMeta) -> None:
    assert (digest_of(body_of(one)) == digest_of(body_of(other))) == (one == other)


def test_what_is_not_said_takes_no_room() -> None:
    assert body_of(PackageMeta()) == "{}"
