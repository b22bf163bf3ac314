"""What people and attackers send as pictures: the right answer, or a refusal that says why, at a bounded cost."""
import io
import pathlib
import zlib

import pytest
import requests

from tests.process import picture_files as files
from tests.process import picture_probe, worker

np = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")
from PIL import ImageOps  # noqa: E402

SEED = 20261127
RANDOM = ("--model-uri", "builtin://random?classes=4")
# One 8-bit step of the channel whose deviation is least, after normalising.
GREY_LEVEL = 1 / (255 * 0.224)


def scene(width, height):
    """Smooth areas, edges and noise: what resampling and JPEG treat differently."""
    rng = np.random.default_rng(SEED)
    y, x = np.mgrid[0:height, 0:width]
    base = np.stack([x * 255 / max(1, width - 1), y * 255 / max(1, height - 1), (x ^ y) % 256], axis=-1)
    return Image.fromarray((base * 0.7 + rng.integers(0, 76, base.shape)).clip(0, 255).astype(np.uint8))


def encoded(image, format, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


PNG = encoded(scene(97, 61), "PNG")
JPEG = encoded(scene(97, 61), "JPEG", quality=90)
PROGRESSIVE = encoded(scene(97, 61), "JPEG", quality=90, progressive=True)


def ours(data, directory):
    """The tensor of a picture file [3, 224, 224], or why there is none."""
    (directory / "picture").write_bytes(data)
    answer, = picture_probe.decoded([directory / "picture"], directory)
    return answer


def tensor_of(image):
    """torchvision's evaluation transform of an RGB image, by its definition."""
    width, height = image.size
    if width <= height:
        size = (256, int(256 * height / width))
    else:
        size = (int(256 * width / height), 256)
    left, top = round((size[0] - 224) / 2), round((size[1] - 224) / 2)
    image = image.resize(size, Image.BILINEAR).crop((left, top, left + 224, top + 224))
    scaled = np.asarray(image).astype(np.float32) / np.float32(255)
    out = (scaled - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
    return out.transpose(2, 0, 1)


def pillows(data):
    return tensor_of(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))


# --- chunks and compressed data of a PNG ---

SMALL_TEXT = b"key\0" + b"text"
BOMB = zlib.compress(bytes(8_000_000), 9)
CHUNKS = {
    "zTXt": [(b"zTXt", b"key%d\0\0" % i + BOMB) for i in range(60)],
    "iTXt": [(b"iTXt", b"key%d\0\1\0\0\0" % i + BOMB) for i in range(60)],
    "iCCP": [(b"iCCP", b"name\0\0" + BOMB)],
    "many iCCP": [(b"iCCP", b"name\0\0" + BOMB)] * 60,
    "profiles": [(b"zTXt", b"Raw profile type exif\0\0" + BOMB)] * 60,
    "XMP": [(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + BOMB)] * 60,
    "unknown": [(b"abCd", bytes(1_000_000))] * 5,
    "unknown and critical": [(b"ABCD", bytes(1_000_000))] * 5,
    "tiny ones": [(b"tEXt", b"k\0")] * 50_000,
    "empty IDATs": [(b"IDAT", b"")] * 50_000,
    "palettes": [(b"PLTE", bytes(768))] * 1000,
    "suggested palettes": [(b"sPLT", b"name\0\x08" + bytes(60_000))] * 20,
}


@pytest.fixture(scope="module")
def small_worker(tmp_path_factory):
    """A worker, and its resident kilobytes when it has answered once and waits."""
    one = worker.Worker(tmp_path_factory.mktemp("worker"), *RANDOM)
    assert predict(one, PNG).status_code == 200
    one.idle_kb = memory_kb(one, "VmRSS")
    yield one
    assert one.stop() == 0


def memory_kb(one, what):
    status = pathlib.Path(f"/proc/{one.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith(what)).split()[1])


def predict(one, data):
    return requests.post(one.url + "/predict", data=data, headers={"Content-Type": "application/octet-stream"}, timeout=60)


@pytest.mark.parametrize("place", [b"IDAT", b"IEND"], ids=["before the data", "after the data"])
@pytest.mark.parametrize("kind", CHUNKS)
def test_chunks_that_do_not_make_the_picture_change_nothing_and_cost_nothing(kind, place, small_worker):
    data = files.with_chunks(PNG, CHUNKS[kind], before=place)
    answer = predict(small_worker, data)
    assert answer.status_code == 200, answer.text
    assert answer.json()["top"] == predict(small_worker, PNG).json()["top"]
    # The request's bytes lie there a few times; what is in the chunks, never.
    assert memory_kb(small_worker, "VmHWM") <= small_worker.idle_kb + 64 * 1024


def test_image_data_that_goes_on_after_the_last_row_is_not_inflated(small_worker):
    # As much as the fastest level packs into a request of 10 MiB; a core takes longer to inflate it than a decode may take.
    packer = zlib.compressobj(1)
    data = packer.compress(b"\0\x80\x80\x80") + b"".join(packer.compress(bytes(1 << 20)) for _ in range(2000)) + packer.flush()
    header, = [data for kind, data in files.chunks_of(encoded(Image.new("RGB", (1, 1)), "PNG")) if kind == b"IHDR"]
    png = files.png_of([(b"IHDR", header), (b"IDAT", data), (b"IEND", b"")])
    assert predict(small_worker, png).status_code == 200


KINDS = [(colour, depth) for colour, depths in {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}.items()
         for depth in depths]


@pytest.mark.parametrize("interlaced", [False, True], ids=["rows", "interlaced"])
@pytest.mark.parametrize("colour,depth", KINDS)
def test_every_kind_of_png_is_decoded_to_the_bit(colour, depth, interlaced, tmp_path):
    rng = np.random.default_rng(SEED)
    for width, height in [(1, 1), (3, 2), (61, 47), (130, 33)]:
        samples = rng.integers(0, 1 << depth, (height, width, files.CHANNELS[colour]))
        palette = rng.integers(0, 256, (256, 3)) if colour == 3 else None
        data = files.png_from_samples(samples, depth, colour, interlaced, filters=(4, 3, 2, 1, 0), palette=palette)
        eight = samples >> 8 if depth == 16 else samples
        if colour == 3:
            rgb = palette[eight[:, :, 0]]
        elif colour in (0, 4):
            rgb = np.repeat(eight[:, :, :1] * (255 // ((1 << min(depth, 8)) - 1)), 3, axis=2)
        else:
            rgb = eight[:, :, :3]
        assert np.array_equal(ours(data, tmp_path), tensor_of(Image.fromarray(rgb.astype(np.uint8)))), (width, height)


# --- the work of a JPEG ---

def test_scans_without_content_are_refused_at_once_with_the_number_and_what_is_allowed(small_worker):
    answer = predict(small_worker, files.empty_scans(4096, 4096, 90))
    assert answer.status_code == 413
    assert "14 scans of 4096x4096 pixels take 273416192 steps" in answer.json()["detail"]
    assert "allowed: at most 268435456" in answer.json()["detail"]
    assert predict(small_worker, files.empty_scans(64, 64, 90)).status_code == 200
    assert "more than 100 scans" in predict(small_worker, files.empty_scans(64, 64, 200)).json()["detail"]


def large_ones():
    """The dearest pictures of 2^24 pixels that are accepted, each on its side where it can be."""
    side = 4096
    rng = np.random.default_rng(SEED)
    smooth = Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).resize((side, side), Image.BICUBIC)
    turned = Image.Exif()
    turned[0x0112] = 6
    yield "progressive CMYK", encoded(smooth.convert("CMYK"), "JPEG", progressive=True, exif=turned)
    yield "progressive 4:4:4", encoded(smooth, "JPEG", progressive=True, subsampling=0, exif=turned)
    yield "progressive 4:2:0", encoded(smooth, "JPEG", progressive=True, exif=turned)
    deep = np.broadcast_to(np.uint16(0x1234), (side, side, 4))
    lying = files.png_from_samples(deep, 16, 6, interlaced=True)
    yield "16-bit interlaced RGBA", files.with_chunks(lying, [(b"eXIf", files.tiff(8))])
    yield "scans up to the budget", files.empty_scans(side, side, 12)
    yield "24 megapixels", encoded(smooth.resize((6000, 4000)), "JPEG", exif=turned)


def test_no_accepted_picture_takes_more_than_twice_the_idle_memory(small_worker):
    for what, data in large_ones():
        assert predict(small_worker, data).status_code == 200, what
        peak = memory_kb(small_worker, "VmHWM")
        print(f"{what}: peak {peak / 1024:.0f} MiB, idle {small_worker.idle_kb / 1024:.0f} MiB")
        assert peak <= 2 * small_worker.idle_kb, what


# --- which side is up ---

def lying(orientation, size=(61, 47)):
    """A picture that is upright once `orientation` is applied, and how it is then."""
    upright = scene(*size)
    turn = {1: None, 2: Image.FLIP_LEFT_RIGHT, 3: Image.ROTATE_180, 4: Image.FLIP_TOP_BOTTOM, 5: Image.TRANSPOSE,
            6: Image.ROTATE_90, 7: Image.TRANSVERSE, 8: Image.ROTATE_270}[orientation]
    return upright if turn is None else upright.transpose(turn), upright


XMP = b"http://ns.adobe.com/xap/1.0/\0"
JPEG_WAYS = {
    "EXIF": lambda o: [files.exif_segment(o)],
    "EXIF, big endian": lambda o: [files.exif_segment(o, little=False)],
    "XMP before": lambda o: [files.segment(0xE1, XMP + b"<x/>"), files.exif_segment(o)],
    "an empty segment before": lambda o: [files.segment(0xE1, b""), files.exif_segment(o)],
    "an EXIF without it before": lambda o: [files.segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\0\0"), files.exif_segment(o)],
    "a broken EXIF before": lambda o: [files.segment(0xE1, b"Exif\0\0MM\0*\xff\xff\xff\xff"), files.exif_segment(o)],
    "another EXIF behind": lambda o: [files.exif_segment(o), files.exif_segment(1)],
    "forty extended XMPs before": lambda o: [files.segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0x")] * 40 + [files.exif_segment(o)],
    "XMP alone": lambda o: [files.segment(0xE1, XMP + files.xmp_packet(o))],
    "XMP against EXIF": lambda o: [files.segment(0xE1, XMP + files.xmp_packet(o % 8 + 1)), files.exif_segment(o)],
}


@pytest.mark.parametrize("way", JPEG_WAYS)
def test_a_turned_jpeg_is_its_upright_self_wherever_its_exif_stands(way, tmp_path):
    for orientation in range(1, 9):
        stored, _ = lying(orientation)
        plain = encoded(stored, "JPEG", quality=95)
        upright = ImageOps.exif_transpose(Image.open(io.BytesIO(files.with_segments(plain, files.exif_segment(orientation)))))
        found = ours(files.with_segments(plain, *JPEG_WAYS[way](orientation)), tmp_path)
        assert np.array_equal(found, tensor_of(upright)), orientation


def exif_profile(o, name="exif"):
    return files.raw_profile(name, b"Exif\0\0" + files.tiff(o))


PNG_WAYS = {
    "eXIf": lambda o: [(b"eXIf", files.tiff(o))],
    "eXIf, big endian": lambda o: [(b"eXIf", files.tiff(o, little=False))],
    "eXIf with JPEG's name": lambda o: [(b"eXIf", b"Exif\0\0" + files.tiff(o))],
    "zTXt": lambda o: [(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(exif_profile(o)))],
    "zTXt, APP1": lambda o: [(b"zTXt", b"Raw profile type APP1\0\0" + zlib.compress(exif_profile(o, "APP1")))],
    "tEXt": lambda o: [(b"tEXt", b"Raw profile type exif\0" + exif_profile(o))],
    "iTXt": lambda o: [(b"iTXt", b"Raw profile type exif\0\0\0\0\0" + exif_profile(o))],
    "iTXt, compressed": lambda o: [(b"iTXt", b"Raw profile type exif\0\1\0\0\0" + zlib.compress(exif_profile(o)))],
    "comments before": lambda o: [(b"tEXt", b"Comment\0hello")] * 100 + [(b"eXIf", files.tiff(o))],
    "XMP": lambda o: [(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + files.xmp_packet(o))],
}


@pytest.mark.parametrize("place", [b"IDAT", b"IEND"], ids=["before the data", "after the data"])
@pytest.mark.parametrize("way", PNG_WAYS)
def test_a_turned_png_is_its_upright_self_however_its_exif_is_written(way, place, tmp_path):
    for orientation in range(1, 9):
        stored, upright = lying(orientation)
        found = ours(files.with_chunks(encoded(stored, "PNG"), PNG_WAYS[way](orientation), before=place), tmp_path)
        assert np.array_equal(found, tensor_of(upright)), orientation


# --- files that are not quite as they should be ---

CHUNKS_OF_PNG = files.chunks_of(PNG)


def wrong_checksum(of):
    return files.PNG_SIGNATURE + b"".join(
        files.chunk(kind, data, checksum=b"\1\2\3\4" if kind == of else None) for kind, data in CHUNKS_OF_PNG)


AS_PILLOW = {
    "zeros between segments": files.with_segments(JPEG, bytes(9)),
    "text between segments": files.with_segments(JPEG, b"hello"),
    "fill bytes": files.with_segments(JPEG, b"\xff" * 50),
    "zeros for an end": JPEG[:-2] + bytes(100),
    "a vendor's trailer for an end": JPEG[:-2] + b"SEFT trailer of a vendor \x00\x01\x02 and so on",
    "a segment for an end": JPEG[:-2] + files.segment(0xE5, b"vendor"),
    "a trailer behind the end": JPEG + b"\xff\xd8 another picture",
    "a wrong checksum of IDAT": wrong_checksum(b"IDAT"),
    "a wrong checksum of IEND": wrong_checksum(b"IEND"),
    "no IEND": PNG[:-12],
    "half an IEND": PNG[:-5],
    "no checksum of IDAT": PNG[:-16],
    "no checksum of the data": PNG[:-20],
    "bytes behind IEND": PNG + b"junk",
}


@pytest.mark.parametrize("what", AS_PILLOW)
def test_what_pillow_reads_is_read_and_gives_the_same(what, tmp_path):
    assert np.array_equal(ours(AS_PILLOW[what], tmp_path), pillows(AS_PILLOW[what]))


BROKEN = {
    "no end marker": (JPEG[:-2], "the JPEG is truncated: its data ends after row"),
    "half a JPEG": (JPEG[:len(JPEG) * 2 // 3], "the JPEG is truncated: its data ends after row"),
    "half a progressive JPEG": (PROGRESSIVE[:len(PROGRESSIVE) * 2 // 3], "the JPEG is truncated"),
    "a trailer for a progressive one's end": (PROGRESSIVE[:-2] + bytes(100), "the JPEG is truncated"),
    "half a PNG": (PNG[:len(PNG) // 2], "the PNG is truncated"),
    "all IDATs but the last": (files.png_of([CHUNKS_OF_PNG[0], (b"IDAT", CHUNKS_OF_PNG[1][1][:5000]), CHUNKS_OF_PNG[-1]]),
                               "the PNG is truncated: its data ends in row"),
    "a wrong checksum of IHDR": (wrong_checksum(b"IHDR"), "the checksum of its IHDR is wrong"),
    "a palette picture without palette": (files.png_from_samples(np.zeros((4, 4, 1), int), 8, 3), "no palette (PLTE)"),
    "a filter that does not exist": (files.png_of([CHUNKS_OF_PNG[0], (b"IDAT", zlib.compress(b"\7" * 100_000))]), "the filter 7"),
    "data that is not compressed": (files.png_of([CHUNKS_OF_PNG[0], (b"IDAT", b"hello" * 100)]), "incorrect header check"),
    "a table that is missing": (JPEG.replace(b"\xff\xdb", b"\xff\xee"), "Quantization table 0x00 was not defined"),
    "a component twice as wide as the half": (JPEG.replace(b"\x03\x01\x22\x00\x02\x11", b"\x03\x01\x32\x00\x02\x21"),
                                              "Fractional sampling not implemented yet"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_is_refused_with_the_decoders_reason(what, tmp_path):
    data, reason = BROKEN[what]
    found = ours(data, tmp_path)
    assert isinstance(found, str), "it was accepted"
    assert found.startswith("400 ") and reason in found


def test_a_jpeg_cut_anywhere_is_refused_as_pillow_refuses_it(tmp_path):
    for size in range(len(JPEG) - 200, len(JPEG), 7):
        found = ours(JPEG[:size], tmp_path)
        assert isinstance(found, str) and "truncated" in found, size
        with pytest.raises(OSError):
            Image.open(io.BytesIO(JPEG[:size])).load()


# --- large photographs ---

def apart_from_whole(size, tmp_path):
    """By how many grey levels ours is apart from Pillow's, for each sample."""
    small = scene(600, 600 * size[1] // size[0] + 1)
    data = encoded(small.resize(size, Image.BICUBIC), "JPEG", quality=85)
    apart = np.abs(ours(data, tmp_path) - pillows(data)) / GREY_LEVEL
    print(f"{size}: mean {apart.mean():.2f}, largest {apart.max():.1f} grey levels")
    return apart


@pytest.mark.parametrize("size", [(4097, 4096), (6000, 4000), (8000, 6000), (12000, 8300), (16384, 1030), (2000, 9001)], ids=str)
def test_large_jpegs_are_decoded_at_reduced_size_and_differ_by_little(size, tmp_path):
    apart = apart_from_whole(size, tmp_path)
    assert apart.mean() <= 0.5
    assert apart.max() <= 2.01


@pytest.mark.parametrize("size", [(2000, 1500), (4000, 3000)], ids=str)
def test_the_least_pictures_that_are_reduced_differ_by_a_few_grey_levels(size, tmp_path):
    apart = apart_from_whole(size, tmp_path)
    assert apart.mean() <= 1
    assert apart.max() <= 6.01


@pytest.mark.parametrize("size", [(11000, 1499), (1499, 2000)], ids=str)
def test_a_picture_of_2_to_the_24_pixels_is_decoded_whole_while_its_short_side_is_below_1500(size, tmp_path):
    data = encoded(scene(*size), "JPEG", quality=85)
    assert np.array_equal(ours(data, tmp_path), pillows(data))
