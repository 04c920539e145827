import CFFmpeg

/// What a video's packets reveal about its frames without decoding.
struct PacketScan {
    /// Presentation and decoding timestamps of every packet with a frame, in file order, in ticks of the stream's time
    /// base; `AV_NOPTS_VALUE` if they are not stated.
    private(set) var packets: [(pts: Int64, dts: Int64)] = []
    private(set) var keys: [(packet: Int, pts: Int64)] = []
    /// Indices in `packets` of those that an edit list removes.
    private(set) var discarded: Set<Int> = []
    /// Whether the decoder's state changes within the stream: palettes, new parameters.
    private var hasChanges = false
    /// Whether the first image may state its own orientation.
    private(set) var mayStateOrientation = false
    /// Whether a packet was found that is not exactly one frame.
    private(set) var isIrregular = false
    /// Whether a packet before the first keyframe contains a frame.
    var beginsInside: Bool { keys.first.map { $0.packet > 0 } ?? true }
    /// AVI has no presentation timestamps; those that libavformat derives for some packets are ignored.
    let isAVI: Bool
    private var headers: FrameHeaders

    /// Reads all packets. Throws `VideoError.beyondLimits` if there are too many.
    init(_ file: InputFile) throws {
        headers = FrameHeaders(file)
        isAVI = file.format == "avi"
        let packet = Packet()
        while file.read(into: packet) {
            let content = packet.pointer.pointee
            if content.size <= 0 {
                isIrregular = true
                continue
            }
            if packets.count >= file.limits.frames {
                throw VideoError.beyondLimits(path: file.path, reason: "it has more than \(file.limits.frames) frames")
            }
            let place = packets.count
            packets.append((content.pts, content.dts))
            if content.flags & AV_PKT_FLAG_KEY != 0 { keys.append((place, content.pts)) }
            if content.flags & AV_PKT_FLAG_DISCARD != 0 { discarded.insert(place) }
            if content.flags & AV_PKT_FLAG_CORRUPT != 0 { isIrregular = true }
            if zt_changes_decoder(packet.pointer) { hasChanges = true }
            if place == 0 { mayStateOrientation = OrientationMetadata.mayBe(in: packet, of: file) }
            headers.read(packet)
        }
        if headers.isIrregular { isIrregular = true }
    }

    /// Presentation timestamps of the frames, ascending, if the packets determine them reliably: one frame per packet,
    /// unique timestamps, and a keyframe first.
    var presentation: [Int64]? {
        guard isRegular, restarts.isEmpty else { return nil }
        if isAVI, packets.contains(where: { $0.pts != $0.dts }) { return nil }
        var all =
            discarded.isEmpty
            ? packets.map(\.pts) : packets.indices.filter { !discarded.contains($0) }.map { packets[$0].pts }
        if all.contains(zt_no_timestamp()) { return nil }
        // Reordered frames with ascending timestamps: these are decoding times.
        if headers.reorders, isAscending(all) { return nil }
        // Frames shown before the first keyframe may depend on missing frames.
        if let first = keys.first, packets.contains(where: { $0.pts < first.pts }) { return nil }
        all.sort()
        return isAscending(all) ? all : nil
    }

    /// Times of the frames in decoder output order, if packets do not all have presentation timestamps, as in AVI and
    /// MPEG program streams, but all have decoding timestamps.
    var decoding: [Int64]? {
        let none = zt_no_timestamp()
        guard isRegular, discarded.isEmpty, isAVI || packets.contains(where: { $0.pts == none }) else { return nil }
        let all = packets.map(\.dts)
        guard !all.contains(none), isAscending(all), let first = packets.first else { return nil }
        if isAVI || packets.allSatisfy({ $0.pts == none }) { return all }
        // The delay between decoding and presentation; every stated presentation time must fit it.
        let (delay, overflows) = first.pts.subtractingReportingOverflow(first.dts)
        guard first.pts != none, !overflows else { return nil }
        let presented = all.map { $0 &+ delay }
        let known = Set(presented)
        return packets.allSatisfy { $0.pts == none || known.contains($0.pts) } && isAscending(presented)
            ? presented : nil
    }

    /// Whether decoding may start at any packet of `keys`.
    var keyframesReset: Bool { headers.keyframesReset && !hasChanges }

    private var isRegular: Bool { !isIrregular && !beginsInside && headers.areKnown }

    /// Indices of packets that are presented before the previous one is decoded: the clock restarts there, as in
    /// recordings concatenated by `cat`.
    var restarts: [Int] {
        let none = zt_no_timestamp()
        return packets.indices.dropFirst().filter { place in
            let time = packets[place].pts == none ? packets[place].dts : packets[place].pts
            return time != none && time < packets[place - 1].dts
        }
    }
}

func isAscending<Value: Comparable>(_ values: [Value]) -> Bool {
    zip(values, values.dropFirst()).allSatisfy { $0 < $1 }
}
