"""Containers × codecs, and PyAV's frames of them → VideoTests/Fixtures/matrix.

    python video_matrix.py [FOLDER]     # ffmpeg with its usual encoders, av, numpy

Writes one small video for each combination into FOLDER (a temporary one by default) with `matrix.json`: count and times of PyAV's
frames. Videos of at most SMALL bytes and their entries become fixtures.

`ZOETROPE_MATRIX=FOLDER swift test --filter VideoMatrixTests` compares all of them and prints the table.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import av

import field_pairs

SMALL = 8_000
FIXTURES = pathlib.Path(__file__).parents[1] / "VideoTests" / "Fixtures" / "matrix"
SOURCE = "testsrc2=s=48x32:r=25"
FRAMES = 30

H264 = "-c:v libx264 -preset fast -crf 28 -g 10 -pix_fmt yuv420p"
HEVC = "-s 64x64 -c:v libx265 -preset fast -crf 30 -pix_fmt yuv420p -x265-params log-level=0:keyint=10:min-keyint=10"
# Codec → encoder options, and the extensions of containers that support it.
CODECS = {
    "h264": (H264, "mp4 mov mkv ts m2ts flv avi nut mxf 3gp asf h264"),
    "h264-plain": (H264 + " -bf 0", "mp4 avi ts flv h264"),
    "h264-open": (H264 + " -x264-params open-gop=1:bframes=3:b-pyramid=normal", "mp4 mkv ts"),
    "h264-refresh": ("-c:v libx264 -preset fast -crf 28 -g 10 -pix_fmt yuv420p -x264-params intra-refresh=1:bframes=0", "mp4 ts"),
    # Without subsampling, rotating chroma before or after conversion is equal.
    # ffmpeg rotates only keyframes, which carry the flag.
    "h264-turned": (H264.replace("yuv420p", "yuv444p").replace("-g 10", "-frames:v 1") + " -bsf:v h264_metadata=display_orientation=insert:rotate=90", "mp4 ts"),
    "h264-interlaced": (H264 + " -flags +ildct+ilme -x264-params tff=1", "mp4 ts"),
    "hevc": (HEVC, "mp4 mkv ts mov hevc"),
    "hevc-open": (HEVC + ":open-gop=1:bframes=4", "mp4 mkv ts"),
    "hevc-fields": (HEVC + ":interlace=tff", "mkv"),
    "vp8": ("-c:v libvpx -b:v 100k -g 10 -auto-alt-ref 1 -lag-in-frames 16", "webm mkv ivf ogg"),
    "vp9": ("-c:v libvpx-vp9 -b:v 100k -g 10 -lag-in-frames 16", "webm mp4 ivf"),
    "av1": ("-c:v libaom-av1 -cpu-used 8 -b:v 100k -g 10 -lag-in-frames 16", "mp4 mkv webm ivf obu"),
    "mpeg4": ("-c:v mpeg4 -q:v 8 -g 10 -bf 2", "mp4 avi mkv ts nut m4v"),
    "mpeg4-plain": ("-c:v mpeg4 -q:v 8 -g 10", "avi mp4 mov ogg"),
    "xvid": ("-c:v libxvid -q:v 8 -g 10 -bf 2", "avi mkv"),
    "xvid-packed": ("-c:v libxvid -q:v 8 -g 10 -bf 2 -flags -closed_gop", "avi"),
    "mpeg2": ("-c:v mpeg2video -q:v 8 -g 10 -bf 2", "mpg ts vob mkv mxf mp4 m2v"),
    "mpeg2-interlaced": ("-c:v mpeg2video -q:v 8 -g 10 -bf 2 -flags +ildct+ilme", "ts mxf"),
    "mpeg1": ("-c:v mpeg1video -q:v 8 -g 10 -bf 2", "mpg mkv avi"),
    "msmpeg4v2": ("-c:v msmpeg4v2 -q:v 8 -g 10", "avi asf"),
    "msmpeg4v3": ("-c:v msmpeg4 -q:v 8 -g 10", "avi asf mkv"),
    "wmv1": ("-c:v wmv1 -q:v 8 -g 10", "wmv avi"),
    "wmv2": ("-c:v wmv2 -q:v 8 -g 10", "wmv avi mkv"),
    "flv1": ("-c:v flv -q:v 8 -g 10", "flv avi"),
    "h263": ("-c:v h263 -s 128x96 -q:v 12 -g 10", "3gp avi"),
    "h263p": ("-c:v h263p -s 128x96 -q:v 12 -g 10", "avi mov"),
    "h261": ("-c:v h261 -s 176x144 -q:v 20 -g 10", "mov"),
    "theora": ("-c:v libtheora -q:v 3 -g 10", "ogv mkv"),
    "rv10": ("-c:v rv10 -s 64x48 -q:v 8 -g 10", "rm mkv"),
    "rv20": ("-c:v rv20 -s 64x48 -q:v 8 -g 10", "rm mkv"),
    "svq1": ("-c:v svq1 -g 10", "mov"),
    "snow": ("-c:v snow -g 10 -strict -2", "avi nut"),
    "mjpeg": ("-c:v mjpeg -q:v 10 -pix_fmt yuvj420p", "avi mov mkv mjpeg mp4"),
    "png": ("-c:v png", "mov avi mkv"),
    "ffv1": ("-c:v ffv1 -g 10", "avi mkv nut"),
    "huffyuv": ("-c:v huffyuv", "avi mkv"),
    "ffvhuff": ("-c:v ffvhuff", "avi"),
    "utvideo": ("-c:v utvideo", "avi"),
    "prores": ("-c:v prores_ks", "mov mkv mxf"),
    "dnxhd": ("-c:v dnxhd -profile:v dnxhr_lb -s 256x128 -pix_fmt yuv422p", "mov mxf"),
    "dv": ("-c:v dvvideo -s 720x576 -pix_fmt yuv420p -frames:v 12", "avi dv mov"),
    "jpeg2000": ("-c:v jpeg2000 -q:v 10", "mov mxf"),
    "cinepak": ("-c:v cinepak -g 10 -pix_fmt rgb24", "avi mov"),
    "qtrle": ("-c:v qtrle -g 10", "mov"),
    "qtrle-palette": ("-vf format=gray -c:v qtrle -pix_fmt gray -g 10", "mov"),
    "rpza": ("-c:v rpza -s 64x48 -g 10", "mov"),
    "smc": ("-vf format=gray,format=pal8 -c:v smc", "mov"),
    "msvideo1": ("-c:v msvideo1 -g 10", "avi"),
    "zmbv": ("-c:v zmbv -g 10", "avi mkv"),
    "zmbv-palette": ("-vf format=gray,format=pal8 -c:v zmbv -pix_fmt pal8 -g 10", "avi"),
    "flashsv": ("-c:v flashsv -g 10", "flv"),
    "flashsv2": ("-c:v flashsv2 -g 10", "flv"),
    "raw": ("-c:v rawvideo -pix_fmt yuv420p -frames:v 12", "avi mkv nut"),
    "y4m": ("-pix_fmt yuv420p -frames:v 12 -f yuv4mpegpipe", "y4m"),
    "raw-palette": ("-vf format=gray,format=pal8 -c:v rawvideo", "avi mov nut mkv"),
    "gif": ("-c:v gif", "gif"),
    "apng": ("-c:v apng -f apng", "apng"),
    "webp": ("-c:v libwebp", "mkv"),
    "vc2": ("-c:v vc2 -pix_fmt yuv420p", "mkv mov"),
    "roq": ("-c:v roqvideo -s 64x64 -r 30", "roq"),
    "amv": ("-c:v amv -s 64x48 -an", "avi"),
    "cfhd": ("-c:v cfhd -s 64x48", "mov mkv"),
    "magicyuv": ("-c:v magicyuv", "avi"),
    "qoi": ("-c:v qoi", "mkv"),
    "hap": ("-c:v hap", "mov"),
    "speedhq": ("-c:v speedhq -strict -2 -pix_fmt yuv422p", "avi"),
    "tiff": ("-c:v tiff -frames:v 10", "mov mkv"),
}
# Files whose packets are not frames with separate times, derived from those above: name → (source, options).
ODD = {
    "times-of-decoding.mp4": ("h264.mp4", "-c copy -bsf:v setts=pts=DTS"),
    "times-of-decoding.mkv": ("h264.mp4", "-c copy -bsf:v setts=pts=DTS"),
    "times-of-decoding.ts": ("h264.mp4", "-c copy -bsf:v setts=pts=DTS"),
    "copied.avi": ("h264.mp4", "-c copy"),
    "cut.mp4": ("h264.mp4", "-c copy"),
    "cut.mkv": ("h264.mp4", "-c copy -copyinkf"),
    "split.mkv": ("vp9.webm", "-c copy -bsf:v vp9_superframe_split"),
    "unpacked.avi": ("xvid.avi", "-c copy -bsf:v mpeg4_unpack_bframes"),
    "turn-of-clock.ts": ("h264.mp4", "-c copy -output_ts_offset 95443"),
}
# Concatenated with `cat`: timestamps restart.
JOINED = {"joined.ts": ("h264-plain.ts", "h264.ts"), "joined.mpg": ("mpeg2.mpg", "mpeg2.mpg"), "joined.m2v": ("mpeg2.m2v", "mpeg2.m2v")}
# Encoded from the pattern: a duplicate timestamp, and skipped frames in AVI.
SHIFTED = {
    "twice-one-time.mp4": H264 + " -vf setpts='if(lt(N,10),N/25,30+N/25)/TB'",
    "gap.avi": "-c:v mpeg4 -q:v 8 -g 10 -bf 2 -vf settb=1/25,setpts='if(lt(N,10),N,N+20)'",
    "gap-plain.avi": "-c:v mjpeg -q:v 10 -pix_fmt yuvj420p -vf settb=1/25,setpts='if(lt(N,10),N,N+20)'",
    "varying.mkv": H264 + " -enc_time_base 1/1000 -vf setpts='(N/25+0.011*mod(N,3))/TB'",
}
FORMATS = {"m2ts": "mpegts", "vob": "vob", "obu": "obu", "wmv": "asf", "m4v": "m4v", "ogv": "ogg"}


def run(*arguments):
    return subprocess.run(arguments, check=True, capture_output=True).stdout


def encode(path, options, extra=""):
    """Writes 30 frames of a test pattern."""
    ending = path.suffix[1:]
    form = ["-f", FORMATS[ending]] if ending in FORMATS else []
    fast = ["-fflags", "+bitexact", "-flags:v", "+bitexact"]
    two = "libvpx" in options and "vp9" not in options
    for turn in (1, 2) if two else (0,):
        passes = ["-pass", str(turn), "-passlogfile", str(path.parent / "pass")] if two else []
        run("ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", SOURCE, "-frames:v", str(FRAMES), *options.split(), *extra.split(), *passes, *fast, *form, str(path))


def odd(folder):
    """Writes the files of ODD, JOINED and SHIFTED, and a stream that begins within a group of pictures."""
    for name, (source, options) in ODD.items():
        start = ["-ss", "0.5"] if name.startswith("cut") else []
        run("ffmpeg", "-nostdin", "-v", "error", "-y", *start, "-i", str(folder / source), *options.split(), "-fflags", "+bitexact", str(folder / name))
    for name, parts in JOINED.items():
        (folder / name).write_bytes(b"".join((folder / part).read_bytes() for part in parts))
    for name, options in SHIFTED.items():
        encode(folder / name, options, "-fps_mode passthrough")
    (folder / "begins-inside.ts").write_bytes((folder / "h264-open.ts").read_bytes()[188 * 6 :])


def truth(path):
    """Count and times of PyAV's frames in presentation order.

    If times do not ascend in presentation order, they are sorted. AVI has no presentation times: the packets' decoding times are
    used. Frames without times get 25 per second.
    """
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        tick = float(stream.time_base)
        own = [frame.pts for frame in container.decode(stream)]
    with av.open(str(path)) as container:
        packets = [(p.pts, p.dts) for p in container.demux(container.streams.video[0]) if p.size]
    restarts = any(a is not None and (p if p is not None else d) is not None and (p if p is not None else d) < a for (_, a), (p, d) in zip(packets, packets[1:]))
    ascends = all(a is not None and b is not None and a < b for a, b in zip(own, own[1:]))
    if path.suffix in (".avi", ".asf") or (not ascends and not restarts):
        ordered = sorted(t for t in own if t is not None)
        if path.suffix in (".avi", ".asf") or len(ordered) < len(own):
            step = -(-len(packets) // max(1, len(own)))
            ordered = sorted(d for _, d in packets if d is not None)[::step]
        if not ordered:
            ordered = [k / 25 / tick for k in range(len(own))]
        own = ordered
    return tick, [t * tick for t in own]


def count(path):
    """Number of frames that the ffmpeg command decodes."""
    out = run("ffmpeg", "-nostdin", "-v", "error", "-i", str(path), "-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framecrc", "-")
    return sum(1 for line in out.decode().splitlines() if line and line[0] != "#")


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for codec, (options, endings) in CODECS.items():
        for ending in endings.split():
            path = folder / f"{codec}.{ending}"
            if not path.exists():
                try:
                    encode(path, options)
                except subprocess.CalledProcessError as error:
                    path.unlink(missing_ok=True)
                    print("cannot write", path.name, error.stderr.decode().splitlines()[-1:])
    field_pairs.write(folder)
    odd(folder)
    for path in sorted(folder.iterdir()):
        if path.suffix in (".json", ".log") or path.name.startswith("pass"):
            continue
        try:
            tick, times = truth(path)
            frames = count(path)
        except Exception as error:
            print("no reference for", path.name, error)
            continue
        if frames != len(times):
            # PyAV bundles another version of libavcodec.
            print("different frame counts for", path.name, "ffmpeg", frames, "PyAV", len(times))
            continue
        entries.append({"name": path.name, "tick": tick, "times": times})
    (folder / "matrix.json").write_text(json.dumps(entries))
    made = [*ODD, *JOINED, *SHIFTED, "begins-inside.ts", "h264-fields.ts", "h264-fields.mp4", "h264-fields.avi"]
    small = [entry for entry in entries if (folder / entry["name"]).stat().st_size <= (4 * SMALL if entry["name"] in made else SMALL)]
    shutil.rmtree(FIXTURES, ignore_errors=True)
    FIXTURES.mkdir(parents=True)
    for entry in small:
        shutil.copy(folder / entry["name"], FIXTURES)
        entry["times"] = [round(time, 7) for time in entry["times"]]
    (FIXTURES / "matrix.json").write_text(json.dumps(small, indent=0))
    print(len(entries), "videos,", len(small), "of which are fixtures")


if __name__ == "__main__":
    main()
