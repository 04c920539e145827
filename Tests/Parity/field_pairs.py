"""Writes H.264 and MPEG-2 with field pictures, which no encoder of ffmpeg supports: every frame is two field pictures (PAFF).

Macroblocks are I_PCM, or intra blocks with a single DC coefficient, which keeps the bit streams simple. Each field is a separate
packet in the transport stream, with a timestamp half a frame after the previous one.
"""

import fractions
import subprocess

import av

WIDTH, HEIGHT, FRAMES = 32, 32, 10


class Bits:
    def __init__(self):
        self.bits = []

    def u(self, count, value):
        self.bits += [value >> (count - 1 - k) & 1 for k in range(count)]
        return self

    def ue(self, value):
        length = (value + 1).bit_length()
        return self.u(2 * length - 1, value + 1)

    def se(self, value):
        return self.ue(2 * value - 1 if value > 0 else -2 * value)

    def align(self, bit=0):
        while len(self.bits) % 8:
            self.bits.append(bit)
        return self

    def bytes(self):
        self.align()
        return bytes(int("".join(map(str, self.bits[k : k + 8])), 2) for k in range(0, len(self.bits), 8))


def level(frame, field, x, y):
    """Brightness of a macroblock, different for each frame, field and position."""
    return 30 + (frame * 17 + field * 5 + x * 23 + y * 31) % 190


def nal(header, bits):
    """A NAL unit with its start code; its payload contains no start code."""
    bits.u(1, 1)
    out, zeros = bytearray(), 0
    for byte in bits.bytes():
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return b"\0\0\0\1" + bytes([header]) + bytes(out)


def h264():
    """Packets of an H.264 stream, one per field: (bytes, field, is keyframe)."""
    across, down = WIDTH // 16, HEIGHT // 32
    sps = Bits().u(8, 77).u(8, 0).u(8, 30).ue(0).ue(4).ue(2).ue(1).u(1, 0)
    sps.ue(across - 1).ue(down - 1).u(1, 0).u(1, 0).u(1, 1).u(1, 0).u(1, 0)
    pps = Bits().ue(0).ue(0).u(1, 0).u(1, 0).ue(0).ue(0).ue(0).u(1, 0).u(2, 0).se(0).se(0).se(0).u(1, 0).u(1, 0).u(1, 0)
    for frame in range(FRAMES):
        for field in range(2):
            # The second field of an IDR picture is a separate I picture.
            isIDR = frame % 6 == 0 and field == 0
            slice = Bits().ue(0).ue(7).ue(0).u(8, frame % 6).u(1, 1).u(1, field)
            if isIDR:
                slice.ue(frame % 2)
            if isIDR:
                slice.u(1, 0).u(1, 0)
            else:
                slice.u(1, 0)
            slice.se(0)
            for place in range(across * down):
                slice.ue(25).align()
                y = level(frame, field, place % across, place // across)
                for value in [y] * 256 + [128] * 128:
                    slice.u(8, value)
            unit = nal(0x65 if isIDR else 0x61, slice)
            start = b"\0\0\0\1\x09\x10" + (nal(0x67, sps_copy(sps)) + nal(0x68, sps_copy(pps)) if isIDR else b"")
            yield start + unit, isIDR


def sps_copy(bits):
    copy = Bits()
    copy.bits = list(bits.bits)
    return copy


# Table B.12 of ISO/IEC 13818-2, dct_dc_size_luminance.
SIZES = {0: "100", 1: "00", 2: "01", 3: "101", 4: "110", 5: "1110", 6: "11110", 7: "111110", 8: "1111110"}


def code(bits, text):
    bits.bits += [int(c) for c in text]


def mpeg2():
    """Packets of an MPEG-2 stream, one per frame of two field pictures."""
    across, down = WIDTH // 16, HEIGHT // 32
    for frame in range(FRAMES):
        out = b""
        if frame % 6 == 0:
            out += b"\0\0\1\xB3" + Bits().u(12, WIDTH).u(12, HEIGHT).u(4, 1).u(4, 3).u(18, 1000).u(1, 1).u(10, 20).u(1, 0).u(1, 0).u(1, 0).bytes()
            out += b"\0\0\1\xB5" + Bits().u(4, 1).u(8, 0x48).u(1, 0).u(2, 1).u(2, 0).u(2, 0).u(12, 0).u(1, 1).u(8, 0).u(1, 0).u(2, 0).u(5, 0).bytes()
            out += b"\0\0\1\xB8" + Bits().u(1, 0).u(5, 0).u(6, 0).u(1, 1).u(6, 0).u(6, frame).u(1, 1).u(1, 0).bytes()
        for field in range(2):
            out += b"\0\0\1\0" + Bits().u(10, frame % 6).u(3, 1).u(16, 0xFFFF).u(1, 0).bytes()
            extension = Bits().u(4, 8).u(16, 0xFFFF).u(2, 0).u(2, 1 + field).u(1, 0).u(1, 0).u(1, 0).u(1, 0).u(1, 0).u(1, 0).u(1, 0).u(1, 0).u(1, 0).u(1, 0)
            out += b"\0\0\1\xB5" + extension.bytes()
            for row in range(down):
                slice = Bits().u(5, 4).u(1, 0)
                last = [128, 128, 128]
                for column in range(across):
                    slice.u(1, 1).u(1, 1)
                    for block in range(6):
                        plane = 0 if block < 4 else block - 3
                        value = level(frame, field, column, row) if plane == 0 else 128
                        change, last[plane] = value - last[plane], value
                        size = abs(change).bit_length()
                        if plane == 0:
                            code(slice, SIZES[size])
                        else:
                            code(slice, "00" if size == 0 else "11")
                        if size:
                            slice.u(size, change if change > 0 else change + (1 << size) - 1)
                        code(slice, "10")
                out += b"\0\0\1" + bytes([row + 1]) + slice.bytes()
        yield out, frame % 6 == 0


def write(folder):
    for name, packets, ticks, codec in [("h264-fields.ts", h264(), 1800, "libx264"), ("mpeg2-fields.ts", mpeg2(), 3600, "mpeg2video")]:
        with av.open(str(folder / name), "w") as output:
            stream = output.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            stream.time_base = fractions.Fraction(1, 90000)
            for place, (data, isKey) in enumerate(packets):
                packet = av.Packet(data)
                packet.stream, packet.time_base = stream, stream.time_base
                packet.pts = packet.dts = place * ticks
                packet.is_keyframe = isKey
                output.mux(packet)
    for ending in ("mp4", "mkv", "avi"):
        run = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", str(folder / "h264-fields.ts"), "-c", "copy", "-fflags", "+bitexact", str(folder / f"h264-fields.{ending}")]
        subprocess.run(run, check=True)


if __name__ == "__main__":
    import pathlib
    import sys

    write(pathlib.Path(sys.argv[1]))
