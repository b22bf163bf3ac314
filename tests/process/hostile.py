"""Pictures made to cost more than they look, and such that are merely broken. Pure: bytes out, the same every time."""
import struct
import zlib


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width=1, height=1, depth=8, colour=2, interlace=0, before=b"", after=b"", pixels=None):
    """A PNG whose image data are zeros (or `pixels`: the bytes before compression); chunks may be put around them."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    row = b"\0" + bytes((width * channels * depth + 7) // 8)
    data = zlib.compress(pixels if pixels is not None else row * height, 9)
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)) +
            before + png_chunk(b"IDAT", data) + after + png_chunk(b"IEND", b""))


def png_text_bombs(count, inflated_bytes, kind="zTXt"):
    """Text chunks, each of which inflates to `inflated_bytes`."""
    text = zlib.compress(b"A" * inflated_bytes, 9)
    middle = {"zTXt": b"\0\0", "iTXt": b"\0\1\0\0\0"}[kind]
    return png(before=b"".join(png_chunk(kind.encode(), b"k%d" % i + middle + text) for i in range(count)))


def png_pixel_bomb(inflated_bytes):
    """One pixel by its header, `inflated_bytes` by its image data."""
    return png(pixels=bytes(inflated_bytes))


def jpeg_segment(marker, data):
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def bits_to_scan(bits):
    """Entropy-coded bytes of a string of 0 and 1: padded with ones, 0xff stuffed."""
    bits += "1" * (-len(bits) % 8)
    return bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8)).replace(b"\xff", b"\xff\0")


def jpeg_scan_bomb(width, height, scans):
    """A grey progressive JPEG whose scans carry nothing but end-of-band runs; a decoder walks all blocks in each."""
    blocks = ((width + 7) // 8) * ((height + 7) // 8)
    runs, left = "", blocks
    while left > 0:
        # EOBRUN of category 14: 2^14 and 14 more bits; its code is the table's only one, 0.
        run = max(16384, min(left, 32767))
        runs += "0" + format(run - 16384, "014b")
        left -= run
    one_code = bytes([1] + [0] * 15)
    scan = jpeg_segment(0xDA, b"\1\1\0" + bytes([1, 63, 0x10])) + bits_to_scan(runs)
    return (b"\xff\xd8" + jpeg_segment(0xDB, b"\0" + bytes([1] * 64)) +
            jpeg_segment(0xC2, struct.pack(">BHHB", 8, height, width, 1) + bytes([1, 0x11, 0])) +
            jpeg_segment(0xC4, b"\x00" + one_code + b"\x00") + jpeg_segment(0xC4, b"\x10" + one_code + b"\xe0") +
            jpeg_segment(0xDA, b"\1\1\0" + bytes(3)) + bits_to_scan("0" * blocks) + scan * scans + b"\xff\xd9")


def exif_orientation(orientation, thumbnail=b""):
    """An APP1 segment that says how the camera was held."""
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + struct.pack("<HHII", 0x0112, 3, 1, orientation) + bytes(4) + thumbnail
    return jpeg_segment(0xE1, b"Exif\0\0" + tiff)


def hostile_pictures():
    """name -> bytes; none may cost a worker its life or its memory, whatever the answer is."""
    bomb = jpeg_scan_bomb(2048, 2048, 400)
    return {
        "text chunks that inflate": png_text_bombs(40, 4_000_000),
        "international text that inflates": png_text_bombs(40, 4_000_000, "iTXt"),
        "image data beyond the header": png_pixel_bomb(60_000_000),
        "scans without content": bomb,
        "more pixels than are taken": png(16_384, 16_384, 1, 0, pixels=b""),
        "a side of one": png(1, 16_384),
        "a truncated JPEG": bomb[:len(bomb) // 2],
        "no picture": b"<html>not a picture</html>",
        "an empty PNG": png(64, 64, pixels=b""),
    }
