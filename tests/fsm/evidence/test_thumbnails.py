"""Small pictures are upright, bare and cheap; fingerprints know a photo again, and hostile files wait."""

import resource
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance

from fsm.evidence.headers import count_scans
from fsm.evidence.thumbnails import (
    SIMILAR_WITHIN,
    CannotDecode,
    Fingerprint,
    fingerprint,
    thumbnail,
)
from fsm.evidence.verification import TooManyPixels
from fsm.problems import Problem
from tests.fsm.evidence.pictures import (
    animated,
    encoded,
    exif_bombs,
    heic,
    jpeg_claiming,
    jpeg_of_many_scans,
    jpeg_with_exif,
    png_claiming,
    png_with_text_bomb,
    scene,
)
from tests.patience import PATIENCE_S

_TURNS = [None, *Image.Transpose]


def opened(jpeg: bytes) -> Image.Image:
    with Image.open(BytesIO(jpeg)) as image:
        image.load()
        return image


def known(image: Image.Image, kind: str = "PNG", **options: object) -> Fingerprint:
    found = fingerprint(encoded(image, kind, **options))
    assert found is not None
    return found


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "AVIF"])
def test_every_kind_that_can_be_opened_becomes_a_small_jpeg(kind: str) -> None:
    small = thumbnail(encoded(scene(1, (1600, 1200)), kind))
    assert (small.width, small.height) == (480, 360)
    assert opened(small.jpeg).size == (480, 360)
    assert opened(small.jpeg).format == "JPEG"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "I;16"])
def test_every_way_to_store_colours_is_drawn(mode: str) -> None:
    kind = "JPEG" if mode in {"CMYK", "YCbCr"} else "PNG"
    image = Image.new(mode, (50, 40)) if mode == "I;16" else scene(1).convert(mode)
    assert opened(thumbnail(encoded(image, kind)).jpeg).mode == "RGB"


def test_sixteen_bit_grey_keeps_its_shades() -> None:
    image = Image.new("I;16", (50, 40), 0x8000)
    pixel = opened(thumbnail(encoded(image, "PNG")).jpeg).getpixel((25, 20))
    assert pixel == pytest.approx((128, 128, 128), abs=2)


def test_a_small_picture_is_not_blown_up() -> None:
    small = thumbnail(encoded(scene(1, (90, 60)), "PNG"))
    assert (small.width, small.height) == (90, 60)


def test_what_is_transparent_turns_white() -> None:
    small = thumbnail(encoded(Image.new("RGBA", (60, 40), (255, 0, 0, 0)), "PNG"))
    assert opened(small.jpeg).getpixel((30, 20)) == pytest.approx((255, 255, 255), abs=2)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_stands_upright_whichever_way_the_phone_was_held(orientation: int) -> None:
    upright = scene(4, (400, 300))
    stored_as: dict[int, Image.Transpose] = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(stored_as[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(stored, "JPEG", quality=95, exif=exif)
    small = thumbnail(content)
    assert (small.width, small.height) == (400, 300)
    found = fingerprint(content)
    assert found is not None
    assert (found.upright ^ known(upright).upright).bit_count() <= 2


def test_a_thumbnail_tells_nothing_about_place_time_or_camera() -> None:
    exif = Image.Exif()
    exif[0x010F] = "SecretCamera"
    exif.get_ifd(0x8825).update({1: "N", 2: (59.0, 56.0, 0.0)})
    content = encoded(
        scene(1), "JPEG", exif=exif, icc_profile=b"SecretProfile" * 40, comment=b"SecretComment"
    )
    assert b"Secret" in content
    small = thumbnail(content)
    assert b"Secret" not in small.jpeg
    assert b"Exif" not in small.jpeg
    assert not opened(small.jpeg).getexif()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
def test_a_moving_picture_is_shown_by_its_first_frame(kind: str) -> None:
    small = thumbnail(animated(kind))
    assert (small.width, small.height) == (64, 48)
    assert getattr(opened(small.jpeg), "n_frames", 1) == 1


@pytest.mark.parametrize("name", exif_bombs())
def test_hostile_exif_does_no_more_than_lose_the_orientation(name: str) -> None:
    try:
        small = thumbnail(jpeg_with_exif(exif_bombs()[name]))
    except CannotDecode:
        return
    assert (small.width, small.height) == (480, 360)


HOSTILE: dict[str, tuple[bytes, type[Problem]]] = {
    "png of 40,000 × 40,000": (png_claiming(40_000, 40_000), TooManyPixels),
    "png of 16,000 × 16,000": (png_claiming(16_000, 16_000), TooManyPixels),
    "jpeg of 65,535 × 65,535": (jpeg_claiming(65_535, 65_535), TooManyPixels),
    "progressive jpeg of 10,000 × 10,000": (
        jpeg_claiming(10_000, 10_000, progressive=True),
        TooManyPixels,
    ),
    "jpeg of 500 scans": (jpeg_of_many_scans(), CannotDecode),
    "png with 200 MB of text": (png_with_text_bomb(), CannotDecode),
    "png without pixels": (png_claiming(6_000, 6_000), CannotDecode),
    "truncated jpeg": (encoded(scene(1), "JPEG")[:9_000], CannotDecode),
    "truncated png": (encoded(scene(1), "PNG")[:9_000], CannotDecode),
    "truncated webp": (encoded(scene(1), "WEBP")[:5_000], CannotDecode),
    "truncated avif": (encoded(scene(1), "AVIF")[:2_000], CannotDecode),
    "heic": (heic(4032, 3024), CannotDecode),
    "pdf": (b"%PDF-1.7\n", CannotDecode),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", CannotDecode),
    "nothing": (b"", CannotDecode),
}


def test_scans_are_counted_unless_the_first_holds_everything() -> None:
    sound = encoded(scene(1), "JPEG")
    head = sound.index(b"\xff\xda")
    assert count_scans(sound) == count_scans(sound + sound[head:] * 9) == 1
    lacking = bytearray(sound + sound[head:] * 9)
    lacking[head + 4] = 1  # one of three components: a decoder reads on
    assert count_scans(bytes(lacking)) == 10
    assert 64 < count_scans(jpeg_of_many_scans()) < 600
    assert count_scans(b"\xff\xd8\xff") == 0


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_and_damaged_pictures_are_refused(name: str) -> None:
    content, refusal = HOSTILE[name]
    with pytest.raises(refusal):
        thumbnail(content)
    with pytest.raises(refusal):
        fingerprint(content)


def test_no_bomb_takes_more_than_the_memory_of_an_honest_photo(tmp_path: Path) -> None:
    paths = []
    for number, (content, _) in enumerate(HOSTILE.values()):
        paths.append(str(tmp_path / f"{number}.bin"))
        Path(paths[-1]).write_bytes(content)
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from fsm.evidence.thumbnails import thumbnail\n"
        "from fsm.problems import Problem\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n"
        "        thumbnail(Path(path).read_bytes())\n"
        "    except Problem:\n"
        "        print('refused')\n"
    )
    limit = 1_000_000_000

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *paths],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        preexec_fn=bounded,
    )
    assert done.stdout.split() == ["refused"] * len(paths), done.stderr


@pytest.mark.parametrize(
    ("is_progressive", "most_mb"), [(False, 64), (True, 300)], ids=["baseline", "progressive"]
)
def test_a_photo_of_50_megapixels_takes_far_less_than_its_pixels(
    tmp_path: Path, is_progressive: bool, most_mb: int
) -> None:
    """Whole it would take 200 MB; a progressive one keeps its coefficients, a baseline one nothing."""
    image = Image.linear_gradient("L").resize((8160, 6144)).convert("RGB")
    path = tmp_path / "50.jpg"
    image.save(path, "JPEG", quality=90, progressive=is_progressive)
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from fsm.evidence.thumbnails import thumbnail\n"
        # Not getrusage: that also counts what the tests' own process had when it forked.
        "def peak():\n"
        "    status = Path('/proc/self/status').read_text()\n"
        "    return int(status.partition('VmHWM:')[2].split()[0]) // 1024\n"
        "thumbnail(Path(sys.argv[2]).read_bytes())\n"
        "before = peak()\n"
        "small = thumbnail(Path(sys.argv[1]).read_bytes())\n"
        "print(small.width, small.height, peak() - before)\n"
    )
    tiny = tmp_path / "tiny.jpg"
    tiny.write_bytes(encoded(scene(1, (64, 48)), "JPEG"))
    done = subprocess.run(
        [sys.executable, "-c", program, str(path), str(tiny)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    width, height, more_mb = map(int, done.stdout.split())
    assert (width, height) == (480, 361)
    assert more_mb < most_mb


def test_a_photo_of_200_megapixels_is_drawn_without_decoding_them_all() -> None:
    # Its data end early: what is proved is that its size alone is no reason to refuse it.
    with pytest.raises(CannotDecode):
        thumbnail(jpeg_claiming(16_320, 12_240)[:700])


@pytest.mark.parametrize("seed", range(5))
def test_a_photo_is_known_again_after_the_usual_changes(seed: int) -> None:
    image = scene(seed)
    kept = known(image).upright
    recompressed = known(image, "JPEG", quality=40)
    resized = known(image.resize((320, 240), Image.Resampling.LANCZOS), "JPEG")
    brighter = known(ImageEnhance.Brightness(image).enhance(1.15), "JPEG")
    assert recompressed.distance(kept) <= 2
    assert resized.distance(kept) <= 2
    assert brighter.distance(kept) <= SIMILAR_WITHIN


@pytest.mark.parametrize("turn", _TURNS, ids=str)
def test_turning_and_mirroring_does_not_hide_a_photo(turn: Image.Transpose | None) -> None:
    image = scene(2)
    turned = image.transpose(turn) if turn is not None else image
    assert known(turned).distance(known(image).upright) <= 2


def test_other_scenes_are_not_taken_for_the_same() -> None:
    found = [known(scene(seed)) for seed in range(12)]
    distances = [
        one.distance(other.upright)
        for index, one in enumerate(found)
        for other in found[index + 1 :]
    ]
    assert min(distances) > SIMILAR_WITHIN


def test_a_picture_of_nothing_has_no_fingerprint() -> None:
    assert fingerprint(encoded(Image.new("RGB", (640, 480), (3, 2, 4)), "JPEG")) is None


def test_fingerprints_fit_postgresql_and_compare_by_hand() -> None:
    one = Fingerprint(upright=-1, turned=(-1, 0b1011))
    assert one.distance(-1) == 0
    assert one.distance(0b1000) == 2
    assert one.distance(-(2**63)) == 4
    assert -(2**63) <= known(scene(1)).upright < 2**63
