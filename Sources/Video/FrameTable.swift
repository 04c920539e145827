import CFFmpeg

/// Every frame that a video shows, in order of presentation, as a decoder gives them from the first to the last.
///
/// The packets say it if each is one frame with a timestamp of its own (`PacketScan`); then frame i is found by its timestamp and
/// decoding may begin at a keyframe. Otherwise all frames were decoded once (`DecodedOrder`); then frame i is the i-th one that
/// the decoder gives, and decoding begins at the first packet.
struct FrameTable {
    /// Presentation timestamps in ticks of the stream's time base, ascending; nil if frames are counted.
    let timestamps: [Int64]?
    /// Time of each frame in seconds, as the stream states it. Steps back where a clock starts again.
    let times: [Double]
    /// The same, ascending: goes on by a frame where the stream's clock starts again.
    let clock: [Double]
    /// Whether times follow from the container's nominal rate, which is then the frames'.
    let isNominal: Bool
    /// Keyframes that a decoder can begin with, in the order of the file; empty if it must begin with the first packet.
    private let entries: [(packet: Int, pts: Int64)]

    var count: Int { times.count }

    /// Nil if frames must be decoded to be known.
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

    /// The table of the frames that a decoder gave.
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

    /// The last packet that a decoder can begin with to show a frame: 0 if none is known.
    func firstPacket(for frame: Int) -> Int {
        guard let timestamps, timestamps.indices.contains(frame) else { return 0 }
        return entries.last { $0.pts <= timestamps[frame] }?.packet ?? 0
    }

    /// The frame with that timestamp, or the `counted`-th one if frames are counted.
    func index(of timestamp: Int64, counted: Int) -> Int? {
        guard let timestamps else { return counted < count ? counted : nil }
        var (low, high) = (0, timestamps.count)
        while low < high {
            let middle = (low + high) / 2
            if timestamps[middle] < timestamp { low = middle + 1 } else { high = middle }
        }
        return low < timestamps.count && timestamps[low] == timestamp ? low : nil
    }

    /// Frames that follow each other at the container's rate, or 25 a second, as FFmpeg assumes.
    private static func evenTimes(count: Int, _ file: InputFile) -> [Double] {
        (0..<count).map { Double($0) / (file.nominalRate > 0 ? file.nominalRate : 25) }
    }

    /// Times without steps back: after one, the clock goes on by the usual distance of two frames.
    static func continued(_ times: [Double], nominal: Double) -> [Double] {
        guard zip(times, times.dropFirst()).contains(where: { $0 > $1 }) else { return times }
        let distances = zip(times, times.dropFirst()).map { $1 - $0 }.filter { $0 > 0 }.sorted()
        let usual = distances.isEmpty ? (nominal > 0 ? 1 / nominal : 0.04) : distances[distances.count / 2]
        // Counted from where the clock started last: an offset would lose the digits of small times beside absurd ones.
        var (result, start, resumed) = ([Double](), 0.0, 0.0)
        result.reserveCapacity(times.count)
        for (place, time) in times.enumerated() {
            if place > 0, time < times[place - 1] { (start, resumed) = (time, result[place - 1] + usual) }
            result.append(resumed + (time - start))
        }
        return result
    }
}

/// What a decoder gave of a whole file.
struct DecodedOrder {
    /// Of each frame, in order of presentation, the place of its packet in the scan; nil if the decoder does not say.
    private var origins: [Int?] = []

    var count: Int { origins.count }

    mutating func append(_ origin: Int?) { origins.append(origin) }

    /// The time of each frame in ticks: its packet's presentation timestamp. Within a stretch of the file over which the decoding
    /// clock does not step back, times are sorted if they do not ascend, since then they were stated in the order of
    /// decoding; decoding timestamps stand in if packets state nothing else. Nil if neither are stated.
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
        // Frames are presented as long after they are decoded as the first one that states both.
        guard !isAVI, let first = stated.firstIndex(where: { $0 != none }) else { return decoding }
        let (delay, overflows) = stated[first].subtractingReportingOverflow(decoding[first])
        let presented = decoding.map { $0.addingReportingOverflow(overflows ? 0 : delay) }
        return presented.contains(where: \.overflow) ? nil : presented.map(\.partialValue)
    }
}

extension InputFile {
    /// Frames per second as the container states it, or 0.
    var nominalRate: Double {
        for rate in [stream.pointee.avg_frame_rate, stream.pointee.r_frame_rate] where rate.num > 0 && rate.den > 0 {
            return Double(rate.num) / Double(rate.den)
        }
        return 0
    }

    /// Whether a tick of the time base is the distance of two frames at the nominal rate.
    var ticksAreFrames: Bool {
        let (tick, rate) = (stream.pointee.time_base, stream.pointee.avg_frame_rate)
        return tick.num > 0 && rate.num > 0 && tick.num == rate.den && tick.den == rate.num
    }

    /// Ticks of the time base in seconds.
    func seconds(_ ticks: Int64) -> Double { Double(ticks) * secondsPerTick }
}
