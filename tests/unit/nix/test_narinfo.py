from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.ids import StorePath
from ekaci_core.nix import base32
from ekaci_core.nix.content_address import follows_from
from ekaci_core.nix.narinfo import CacheInfo, Corrupt, parse_cache_info, parse_narinfo, public_keys

# As `nix copy` of Nix 2.8.0 wrote it, with the key that `nix-store --generate-binary-cache-key` made for it.
KEY = "k1:7eRj0mclG9MpOY/YW3Nc1pW8cycm9J0r16ZalfB22+E="
TOP = """\
StorePath: /nix/store/60ni3i4a2gcp3nwi37n0mdnwiji06107-top
URL: nar/13r9licllk942f1bgq908g7ia7cddkan4r6ljy78z6fmm6ibzir7.nar.xz
Compression: xz
FileHash: sha256:13r9licllk942f1bgq908g7ia7cddkan4r6ljy78z6fmm6ibzir7
FileSize: 212
NarHash: sha256:1nhc5jn7yfwdn2qbrznmjyzzdcgm80l4mcpsg23r3y54m27q69bf
NarSize: 216
References: 62z5f4jzggxhs73sjnymx1pz0s8v53ni-multi-dev xh1zmkvgny7ky5rxryx30w8i22ccakhg-app
Deriver: 34vh7lyf5158il5f2cf7lbl5bkz0hwjj-top.drv
Sig: k1:ENasrfSHavNRVlvChQfb88Tdud7zMDXBDeKe3yyC1J1s03YYVgFSaRM68njiURKIGJUSFx0yAvb1xtEqvikmAg==
"""


def parsed(text: str) -> object:
    return parse_narinfo(text.encode())


def test_what_nix_wrote_is_read_and_its_signature_is_good() -> None:
    info = parse_narinfo(TOP.encode())
    assert info.path == "/nix/store/60ni3i4a2gcp3nwi37n0mdnwiji06107-top"
    assert info.nar_size == 216
    assert [path.name for path in info.references] == ["multi-dev", "app"]
    assert info.is_trusted(public_keys([KEY]))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("NarSize: 216", "NarSize: 217"),
        ("1nhc5jn7", "1nhc5jn8"),
        (" xh1zmkvgny7ky5rxryx30w8i22ccakhg-app", ""),
        ("60ni3i4a2gcp3nwi37n0mdnwiji06107-top", "60ni3i4a2gcp3nwi37n0mdnwiji06107-tap"),
        ("Sig: k1:E", "Sig: k1:F"),
        ("Sig: k1:", "Sig: k2:"),
        ("Sig: k1:", "Sig: k1"),
        ("Sig: k1:ENas", "Sig: k1:!"),
    ],
)
def test_any_change_makes_it_untrusted(old: str, new: str) -> None:
    assert TOP.count(old) == 1
    assert not parse_narinfo(TOP.replace(old, new).encode()).is_trusted(public_keys([KEY]))


def test_one_good_signature_is_enough_and_a_key_is_its_name_and_its_bytes() -> None:
    bad = "Sig: k1:" + base64.b64encode(bytes(64)).decode() + "\n"
    info = parse_narinfo(TOP.replace("Sig:", bad + "Sig: other:AAAA\nSig:").encode())
    assert info.is_trusted(public_keys([KEY]))
    other = "k1:" + base64.b64encode(Ed25519PrivateKey.generate().public_key().public_bytes_raw()).decode()
    assert not info.is_trusted(public_keys([other]))
    assert not info.is_trusted({})


def test_hashes_in_other_notations_are_what_is_signed_in_nixs_own() -> None:
    _, digest = base32.read_hash("sha256:1nhc5jn7yfwdn2qbrznmjyzzdcgm80l4mcpsg23r3y54m27q69bf")
    for text in (f"sha256:{digest.hex()}", f"sha256-{base64.b64encode(digest).decode()}"):
        changed = TOP.replace("sha256:1nhc5jn7yfwdn2qbrznmjyzzdcgm80l4mcpsg23r3y54m27q69bf", text)
        assert parsed(changed) == parsed(TOP)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>",
        TOP.rstrip("\n"),
        TOP.replace("StorePath: ", "StorePath: /elsewhere"),
        TOP.replace("/nix/store/60", "60"),
        TOP.replace("URL: nar", "Url: nar"),
        TOP.replace("NarSize: 216\n", ""),
        TOP.replace("NarSize: 216", "NarSize: -1"),
        TOP.replace("NarSize: 216", "NarSize: many"),
        TOP.replace("NarHash: sha256:", "NarHash: sha257:"),
        TOP.replace("NarHash: sha256:1", "NarHash: sha256:"),
        TOP.replace("-multi-dev", "-mul/ti"),
        TOP + "References: \n",
        TOP + "no colon\n",
    ],
)
def test_what_makes_no_sense_is_corrupt(text: str) -> None:
    with pytest.raises(Corrupt):
        parsed(text)


def test_what_is_not_text_is_corrupt() -> None:
    with pytest.raises(Corrupt):
        parse_narinfo(b"\xff\xfe\n")


@given(st.binary(max_size=200), st.integers(0, len(TOP)))
def test_noise_is_corrupt_or_read_but_never_trusted(noise: bytes, at: int) -> None:
    text = TOP.encode()
    data = text[:at] + noise + text[at:]
    try:
        info = parse_narinfo(data)
    except Corrupt:
        return
    if info.is_trusted(public_keys([KEY])):
        assert info.fingerprint == parse_narinfo(text).fingerprint


def test_what_a_cache_says_of_itself() -> None:
    assert parse_cache_info(b"") == CacheInfo("/nix/store", 50)
    assert parse_cache_info(b"StoreDir: /s\nWantMassQuery: 1\nPriority: 41\nnonsense\n") == CacheInfo("/s", 41)
    with pytest.raises(Corrupt):
        parse_cache_info(b"Priority: high\n")


@pytest.mark.parametrize("key", ["", "name", "name:", "name:AAAA", "name:?"])
def test_a_key_that_is_none_is_told(key: str) -> None:
    with pytest.raises(InfrastructureFault, match="cannot be read"):
        public_keys([key])


@given(st.binary(max_size=64))
def test_base_32_there_and_back(data: bytes) -> None:
    assert base32.decode(base32.encode(data), len(data)) == data


def test_base_32_is_nixs() -> None:
    # `nix hash to-base32`
    digest = hashlib.sha256(b"").digest()
    assert base32.encode(digest) == "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73"
    for wrong in ("e" * 52, "0" * 51, "z" * 52):
        with pytest.raises(ValueError, match=r"wrong length|not in base 32|too large"):
            base32.decode(wrong, 32)


# As Nix 2.8.0 gave them: `builtins.toFile`, `nix-store --add-fixed`, and a floating derivation that refers to itself.
T = "vqpn17r03lqabwk0wksgpbgy620zwfd4-t"
T_PATH = f"/nix/store/{T}"
SHA256 = "sha256:04zwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw"
ADDRESSES = [
    ("8zv8i345w2xn27jrxj4cyjc6x3b4am1q-hello", "fixed:sha256:00xyyr3fi8l6hb839bv3f7yb86yjv7xi1cgh1xnhipym4asvb4aq", ()),
    ("032avhrrgjp8441c41iid7ywc92j4z76-hello", "fixed:sha1:iwjz551fyw0cxcjgf4l6c879zabd6wpm", ()),
    (
        "gwina1sjk7g95wq6fxc6b7s1hza53h74-hello",
        "fixed:r:sha256:04zwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw",
        (),
    ),
    ("ypkrwry3mx50aca2g82vp7if8fbg2skq-hello", "fixed:r:sha1:wz60bbf44cw7nswp1wv8vcsyfg155sqd", ()),
    (T, f"text:sha256:{hashlib.sha256(b'hello').hexdigest()}", ()),
    (
        "ihhn23j25n4v6paj2aiqya84f2b1dfkv-t2",
        f"text:sha256:{hashlib.sha256(f'/nix/store/{T}'.encode()).hexdigest()}",
        (T,),
    ),
    (
        "yxgr58pj47r3c5yc1xh53d060xbdjz3p-selfca",
        "fixed:r:sha256:1q33vac2w2hbxs0lf3jca2szsqqkalvsjmzzp86i1nc2ygk6fhw9",
        (T, "yxgr58pj47r3c5yc1xh53d060xbdjz3p-selfca"),
    ),
]


@pytest.mark.parametrize(("name", "address", "references"), ADDRESSES)
def test_paths_follow_from_contents_as_nix_says(name: str, address: str, references: tuple[str, ...]) -> None:
    path, needed = StorePath.parse(name), [StorePath.parse(each) for each in references]
    assert follows_from(address, path, needed)
    other = StorePath.parse(name[:-1] + "x")
    assert not follows_from(address, other, needed)
    assert not follows_from(address, path, [*needed, other])
    assert not follows_from(address.replace("sha", "md"), path, needed)
    assert not follows_from("", path, needed)


def test_what_follows_from_its_contents_needs_no_signature() -> None:
    name, address, _ = ADDRESSES[2]
    text = f"StorePath: /nix/store/{name}\nURL: x\nNarHash: {address[8:]}\nNarSize: 1\nReferences:\nCA: {address}\n"
    assert parse_narinfo(text.encode()).is_trusted({})
    assert not parse_narinfo(text.replace("-hello", "-other").encode()).is_trusted({})
