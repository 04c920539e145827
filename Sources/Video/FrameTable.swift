import CFFmpeg

/// All frames of a video in order of presentation, as a complete decoding pass returns them. If each packet is one
/// frame with its own timestamp (`PacketScan`), frame i is found by its timestamp, and decoding may start at a
/// keyframe. Otherwise all frames were decoded once (`DecodedOrder`), frame i is the i-th one that the decoder returns,
/// and decoding starts at the first packet.
struct FrameTable {
    /// Presentation timestamps in ticks of the stream's time base, ascending; nil if frames are counted.
    let timestamps: [Int64]?
    /// Time of each frame in seconds, as stated in the stream. Decreases where the clock restarts.
    let times: [Double]
    /// Ascending times: where the stream's clock restarts, they continue by one frame interval.
    let clock: [Double]
    /// Whether times follow from the container's nominal frame rate.
    let isNominal: Bool
    /// Keyframes at which decoding can start, in file order; empty if it must start at the first packet.
    private let entries: [(packet: Int, pts: Int64)]

    var count: Int { times.count }

    /// Nil if the frames must be decoded to determine them.
    init?(_ scan: PacketScan, _ file: InputFile) {
        if let presentation = scan.presentation {
            timestamps = presentation
            times = presentation.map { Double($0) * file.secondsPerTick }
            let canJump = scan.keyframesReset && isAscending(scan.keys.map(\.pts))
            entries = canJump ? scan.keys : []
            isNominal = true
        } else if let decoding = scan.decoding {
            timestamps = nil
            let isEven = file.ticksAreFrames && decoding.enumerated().allSatisfy { $1 == Int64($0) }
            times = isEven ? Self.evenTimes(count: decoding.count, file) : decoding.map(file.seconds)
            entries = []
            isNominal = isEven
        } else {
            return nil
        }
        clock = times
    }

    init(_ order: DecodedOrder, _ scan: PacketScan, _ file: InputFile) {
        (timestamps, entries) = (nil, [])
        if let ticks = order.times(scan) {
            times = ticks.map(file.seconds)
            clock = Self.continued(times, nominal: file.nominalRate)
            isNominal = false
        } else {
            times = Self.evenTimes(count: order.count, file)
            clock = times
            isNominal = true
        }
    }

    /// The last packet at which decoding can start to show a frame; 0 if none is known.
    func firstPacket(for frame: Int) -> Int {
        guard let timestamps, timestamps.indices.contains(frame) else { return 0 }
        return entries.last { $0.pts <= timestamps[frame] }?.packet ?? 0
    }

    /// The frame with that timestamp, or the `counted`-th one if frames are counted.
    func index(of timestamp: Int64, counted: Int) -> Int? {
        guard let timestamps else { return counted < count ? counted : nil }
        let place = timestamps.partitioningIndex { $0 >= timestamp }
        return place < timestamps.count && timestamps[place] == timestamp ? place : nil
    }

    /// Evenly spaced times at the container's frame rate, or at 25 frames per second, FFmpeg's default.
    private static func evenTimes(count: Int, _ file: InputFile) -> [Double] {
        (0..<count).map { Double($0) / (file.nominalRate > 0 ? file.nominalRate : 25) }
    }

    /// Times without decreases: after one, the clock continues by the usual frame interval.
    static func continued(_ times: [Double], nominal: Double) -> [Double] {
        guard zip(times, times.dropFirst()).contains(where: { $0 > $1 }) else { return times }
        let distances = zip(times, times.dropFirst()).map { $1 - $0 }.filter { $0 > 0 }.sorted()
        let usual = distances.isEmpty ? (nominal > 0 ? 1 / nominal : 0.04) : distances[distances.count / 2]
        // Relative to the last restart of the clock: a large offset would lose the precision of small times.
        var (result, start, resumed) = ([Double](), 0.0, 0.0)
        result.reserveCapacity(times.count)
        for (place, time) in times.enumerated() {
            if place > 0, time < times[place - 1] { (start, resumed) = (time, result[place - 1] + usual) }
            result.append(resumed + (time - start))
        }
        return result
    }
}

/// The frames of a complete decoding pass.
struct DecodedOrder {
    /// For each frame in order of presentation, the index of its packet in the scan; nil if unknown.
    private var origins: [Int?] = []

    var count: Int { origins.count }

    mutating func append(_ origin: Int?) { origins.append(origin) }

    /// The time of each frame in ticks: its packet's presentation timestamp. Within a section in which the decoding
    /// timestamps do not decrease, times that do not ascend are sorted, because they were stated in decoding order.
    /// Decoding timestamps are used if packets state no others. Nil if neither are stated.
    func times(_ scan: PacketScan) -> [Int64]? {
        var places: [Int] = []
        for origin in origins {
            guard let origin, scan.packets.indices.contains(origin) else { return nil }
            places.append(origin)
        }
        let starts = scan.restarts
        var (result, begin) = ([Int64](), 0)
        result.reserveCapacity(places.count)
        for end in starts + [scan.packets.count] {
            let stop = places[begin...].firstIndex { $0 >= end } ?? places.count
            guard let times = Self.times(of: places[begin..<stop], scan.packets, isAVI: scan.isAVI) else { return nil }
            result += times
            begin = stop
        }
        return result
    }

    private static func times(of places: ArraySlice<Int>, _ packets: [(pts: Int64, dts: Int64)], isAVI: Bool)
        -> [Int64]?
    {
        let none = zt_no_timestamp()
        let stated = places.map { packets[$0].pts }
        if !stated.contains(none) && !isAVI { return stated.sorted() }
        let decoding = places.map { packets[$0].dts }.sorted()
        guard decoding.first != none else { return nil }
        // The delay between decoding and presentation is that of the first frame with both timestamps.
        guard !isAVI, let first = stated.firstIndex(where: { $0 != none }) else { return decoding }
        let (delay, overflows) = stated[first].subtractingReportingOverflow(decoding[first])
        let presented = decoding.map { $0.addingReportingOverflow(overflows ? 0 : delay) }
        return presented.contains(where: \.overflow) ? nil : presented.map(\.partialValue)
    }
}

extension InputFile {
    /// Frames per second as stated in the container, or 0.
    var nominalRate: Double {
        for rate in [stream.pointee.avg_frame_rate, stream.pointee.r_frame_rate] where rate.num > 0 && rate.den > 0 {
            return Double(rate.num) / Double(rate.den)
        }
        return 0
    }

    /// Whether a tick of the time base is the frame interval at the nominal rate.
    var ticksAreFrames: Bool {
        let (tick, rate) = (stream.pointee.time_base, stream.pointee.avg_frame_rate)
        return tick.num > 0 && rate.num > 0 && tick.num == rate.den && tick.den == rate.num
    }

    func seconds(_ ticks: Int64) -> Double { Double(ticks) * secondsPerTick }
}

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
