import CFFmpeg

/// Every frame that a video shows, in order of presentation, learned without decoding.
///
/// A demux-only scan reads the packets' timestamps, so that frame i is frame i whatever the
/// container's header claims; frames that an edit list cuts away are not counted.
struct FrameTable {
    /// Presentation timestamps in ticks of the stream's time base, ascending, where all packets have one.
    let timestamps: [Int64]?
    /// Time of each frame in seconds, as `ffprobe` prints it.
    let times: [Double]
    /// Packets that a decoder can begin with, in the order of the file; empty where they cannot be told.
    private let entries: [Entry]

    /// A packet that depends on none before it, and so do all packets of frames shown at its time or later.
    private struct Entry {
        /// Place among the packets of the file.
        let packet: Int
        let timestamp: Int64
    }

    var count: Int { times.count }

    /// - Throws: `VideoError.beyondLimits` where there are too many.
    init(scanning file: InputFile) throws {
        let packet = Packet()
        var shown: [Int64] = []
        var isComplete = true
        var entries: [Entry] = []
        var count = 0
        while file.read(into: packet) {
            let flags = packet.pointer.pointee.flags
            let pts = packet.pointer.pointee.pts
            if flags & AV_PKT_FLAG_KEY != 0 { entries.append(Entry(packet: count, timestamp: pts)) }
            count += 1
            if count > file.limits.frames {
                throw VideoError.beyondLimits(path: file.path, reason: "it has more than \(file.limits.frames) frames")
            }
            if flags & AV_PKT_FLAG_DISCARD != 0 { continue }
            if pts == zt_no_timestamp() { isComplete = false }
            shown.append(pts)
        }
        shown.sort()
        let isUnique = zip(shown, shown.dropFirst()).allSatisfy { $0 < $1 }
        if isComplete && isUnique {
            timestamps = shown
            times = shown.map { Double($0) * file.secondsPerTick }
            let isOrdered = zip(entries, entries.dropFirst()).allSatisfy { $0.timestamp < $1.timestamp }
            self.entries = isOrdered ? entries : []
        } else {
            self.entries = []
            // AVI stores no presentation times; frames then follow each other at the nominal rate.
            timestamps = nil
            times = Self.evenTimes(count: shown.count, rate: file.nominalRate)
        }
    }

    /// The table of the frames that a decoder really gave: for files whose packets promise more.
    init(decoded: [Int64], file: InputFile) {
        let isUsable =
            decoded.allSatisfy { $0 != zt_no_timestamp() }
            && zip(decoded, decoded.dropFirst()).allSatisfy { $0 < $1 }
        timestamps = isUsable ? decoded : nil
        times =
            isUsable
            ? decoded.map { Double($0) * file.secondsPerTick }
            : Self.evenTimes(count: decoded.count, rate: file.nominalRate)
        entries = []
    }

    /// The last packet that a decoder can begin with to show a frame: 0 where nothing better is known.
    func firstPacket(for frame: Int) -> Int {
        guard let timestamps else { return 0 }
        return entries.last { $0.timestamp <= timestamps[frame] }?.packet ?? 0
    }

    /// The frame with that timestamp; the `counted`-th one where the file has no usable timestamps.
    func index(of timestamp: Int64, counted: Int) -> Int? {
        guard let timestamps else { return counted < count ? counted : nil }
        var (low, high) = (0, timestamps.count)
        while low < high {
            let middle = (low + high) / 2
            if timestamps[middle] < timestamp { low = middle + 1 } else { high = middle }
        }
        return low < timestamps.count && timestamps[low] == timestamp ? low : nil
    }

    private static func evenTimes(count: Int, rate: Double) -> [Double] {
        (0..<count).map { Double($0) / (rate > 0 ? rate : 25) }
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
}
