"""Picture files that no encoder writes by default: chunks, segments and scans put together by hand."""
import io
import struct
import zlib

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def chunk(kind, data, checksum=None):
    return struct.pack(">I", len(data)) + kind + data + (checksum or struct.pack(">I", zlib.crc32(kind + data)))


def chunks_of(png):
    """[(kind, data)] of a PNG."""
    at, out = len(PNG_SIGNATURE), []
    while at < len(png):
        size, = struct.unpack_from(">I", png, at)
        out.append((png[at + 4:at + 8], png[at + 8:at + 8 + size]))
        at += 12 + size
    return out


def png_of(chunks):
    return PNG_SIGNATURE + b"".join(chunk(*one) for one in chunks)


def with_chunks(png, extra, before=b"IDAT"):
    """`png` with the chunks `extra` before the first of a kind."""
    chunks = chunks_of(png)
    at = [kind for kind, _ in chunks].index(before)
    return png_of(chunks[:at] + list(extra) + chunks[at:])


def png_from_samples(samples, depth, colour, interlaced=False, filters=(0,), palette=None):
    """A PNG from samples [height, width, channels] of `depth` bits each; row n has the filter filters[n % len]."""
    import numpy as np
    height, width, channels = samples.shape
    assert channels == CHANNELS[colour]
    raw = b""
    for x, y, dx, dy in PASSES if interlaced else [(0, 0, 1, 1)]:
        part = samples[y::dy, x::dx]
        if part.size:
            raw += filtered(packed(part, depth), filters, max(1, channels * depth // 8))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    chunks = [(b"IHDR", header)] + ([(b"PLTE", np.asarray(palette, np.uint8).tobytes())] if palette is not None else [])
    return png_of(chunks + [(b"IDAT", zlib.compress(raw, 1)), (b"IEND", b"")])


def packed(samples, depth):
    """Rows of bytes: two of each sample, one, or several samples in each."""
    import numpy as np
    rows = samples.reshape(len(samples), -1)
    if depth == 16:
        return rows.astype(">u2").view(np.uint8).reshape(len(rows), -1)
    if depth == 8:
        return rows.astype(np.uint8)
    bits = np.unpackbits(rows.astype(np.uint8)[:, :, None], axis=2)[:, :, 8 - depth:]
    return np.packbits(bits.reshape(len(rows), -1), axis=1)


def filtered(rows, filters, step):
    """The rows as PNG stores them, each with its filter's number before it (W3C PNG, 9.2)."""
    import numpy as np
    out = bytearray()
    above = np.zeros_like(rows[0])
    for number, row in enumerate(rows):
        kind = filters[number % len(filters)]
        left, corner = np.zeros_like(row), np.zeros_like(row)
        left[step:], corner[step:] = row[:-step], above[:-step]
        a, b, c = left.astype(int), above.astype(int), corner.astype(int)
        pa, pb, pc = abs(b - c), abs(a - c), abs(a + b - 2 * c)
        paeth = np.where((pa <= pb) & (pa <= pc), a, np.where(pb <= pc, b, c))
        guess = [0 * a, a, b, (a + b) // 2, paeth][kind]
        out += bytes([kind]) + ((row.astype(int) - guess) % 256).astype(np.uint8).tobytes()
        above = row
    return bytes(out)


def segment(marker, data):
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def with_segments(jpeg, *segments):
    """`jpeg` with segments behind its first one."""
    first = 4 + struct.unpack_from(">H", jpeg, 4)[0]
    return jpeg[:first] + b"".join(segments) + jpeg[first:]


def tiff(orientation, little=True):
    """The least EXIF that says an orientation."""
    order = "<" if little else ">"
    return ((b"II*\0" if little else b"MM\0*")
            + struct.pack(order + "IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0))


def exif_segment(orientation, little=True):
    return segment(0xE1, b"Exif\0\0" + tiff(orientation, little))


def xmp_packet(orientation):
    return b'<x:xmpmeta><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>' % orientation


def raw_profile(name, content):
    """ImageMagick's way to put binary metadata into a PNG's text."""
    digits = content.hex()
    lines = "\n".join(digits[at:at + 72] for at in range(0, len(digits), 72))
    return f"\n{name}\n{len(content):8d}\n{lines}\n".encode()


def empty_scans(width, height, count, header=(1, 63, 0x10)):
    """A grey progressive JPEG whose scans carry no data."""
    scan = segment(0xDA, bytes([1, 1, 0, *header]))
    return (b"\xff\xd8" + segment(0xDB, b"\0" + bytes([1] * 64))
            + segment(0xC2, struct.pack(">BHHB", 8, height, width, 1) + bytes([1, 0x11, 0]))
            + segment(0xC4, b"\x00" + bytes([1] + [0] * 15) + b"\x00")
            + segment(0xC4, b"\x10" + bytes([1] + [0] * 15) + b"\xe0")
            + segment(0xDA, b"\1\1\0\0\0\0") + b"\0" + scan * count + b"\xff\xd9")


def picture(format="JPEG", size=(64, 48), mode="RGB", **options):
    """A real picture file."""
    from PIL import Image
    out = io.BytesIO()
    image = Image.linear_gradient("L").resize(size).convert(mode)
    image.save(out, format, **options)
    return out.getvalue()
