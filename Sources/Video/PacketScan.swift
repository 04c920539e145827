import CFFmpeg

/// What the packets of a video say of its frames, learned without decoding.
struct PacketScan {
    /// Presentation and decoding timestamps of every packet that holds a frame, in the order of the file, in ticks of the
    /// stream's time base; `AV_NOPTS_VALUE` if the container states none.
    private(set) var packets: [(pts: Int64, dts: Int64)] = []
    /// Packets marked as keyframes.
    private(set) var keys: [(packet: Int, pts: Int64)] = []
    /// Places in `packets` of those that an edit list cuts away.
    private(set) var discarded: Set<Int> = []
    /// Whether the decoder's state changes on the way: palettes, new parameters.
    private var hasChanges = false
    /// Whether the first image may state an orientation of its own.
    private(set) var mayStateOrientation = false
    /// Whether packets were found that are not one frame each.
    private(set) var isIrregular = false
    /// Whether a packet before the first keyframe holds a frame.
    var beginsInside: Bool { keys.first.map { $0.packet > 0 } ?? true }
    /// AVI has no presentation times: what libavformat makes up for some packets does not count.
    let isAVI: Bool
    private var headers: FrameHeaders

    /// Reads to the end of the file.
    ///
    /// - Throws: `VideoError.beyondLimits` if there are too many packets.
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
            if place == 0 { mayStateOrientation = StatedOrientation.mayBe(in: packet, of: file) }
            headers.read(packet)
        }
        if headers.isIrregular { isIrregular = true }
    }

    /// Presentation timestamps of the frames, ascending, if the packets can be trusted to say them: one frame a packet, one
    /// timestamp a frame, beginning with a keyframe.
    var presentation: [Int64]? {
        guard isRegular, restarts.isEmpty else { return nil }
        if isAVI, packets.contains(where: { $0.pts != $0.dts }) { return nil }
        var all =
            discarded.isEmpty
            ? packets.map(\.pts) : packets.indices.filter { !discarded.contains($0) }.map { packets[$0].pts }
        if all.contains(zt_no_timestamp()) { return nil }
        // Frames of B-pictures out of order in the file, yet with ascending times: these are decoding times.
        if headers.reorders, isAscending(all) { return nil }
        // What is shown before the first keyframe may depend on frames that are not there.
        if let first = keys.first, packets.contains(where: { $0.pts < first.pts }) { return nil }
        all.sort()
        return isAscending(all) ? all : nil
    }

    /// Times of the frames in the order in which the decoder gives them, if packets do not all state when they are presented, as in
    /// AVI and MPEG program streams, but all state when they are decoded.
    var decoding: [Int64]? {
        let none = zt_no_timestamp()
        guard isRegular, discarded.isEmpty, isAVI || packets.contains(where: { $0.pts == none }) else { return nil }
        let all = packets.map(\.dts)
        guard !all.contains(none), isAscending(all), let first = packets.first else { return nil }
        if isAVI || packets.allSatisfy({ $0.pts == none }) { return all }
        // What is presented is decoded that much before; every time that is stated must be among those.
        let (delay, overflows) = first.pts.subtractingReportingOverflow(first.dts)
        guard first.pts != none, !overflows else { return nil }
        let presented = all.map { $0 &+ delay }
        let known = Set(presented)
        return packets.allSatisfy { $0.pts == none || known.contains($0.pts) } && isAscending(presented)
            ? presented : nil
    }

    /// Whether decoding may begin with any packet of `keys`.
    var keyframesReset: Bool { headers.keyframesReset && !hasChanges }

    private var isRegular: Bool { !isIrregular && !beginsInside && headers.areKnown }

    /// Places of packets that are presented before the one before them is decoded: there the clock starts again, as in
    /// recordings joined by `cat`.
    var restarts: [Int] {
        let none = zt_no_timestamp()
        return packets.indices.dropFirst().filter { place in
            let time = packets[place].pts == none ? packets[place].dts : packets[place].pts
            return time != none && time < packets[place - 1].dts
        }
    }
}

/// Whether each is greater than the one before it.
func isAscending<Value: Comparable>(_ values: [Value]) -> Bool {
    zip(values, values.dropFirst()).allSatisfy { $0 < $1 }
}
