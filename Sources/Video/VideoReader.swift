import CFFmpeg
import Foundation

/// Properties of a clip that are known before a frame is decoded.
package struct VideoInformation: Sendable, Equatable {
    /// Stored pixels per row, after rotation for display.
    package let width: Int
    package let height: Int
    /// Pixel width divided by pixel height, after rotation; 1 for square pixels.
    package var pixelAspect = 1.0
    /// The size with square pixels: the stored number of rows, with the width scaled.
    package var shownSize: (width: Int, height: Int) { (max(1, Int((Double(width) * pixelAspect).rounded())), height) }
    /// Number of frames that can be decoded.
    package let frameCount: Int
    package let frameRate: Double
    /// In seconds.
    package let duration: Double
    /// Such as `h264`.
    package let codec: String
    /// Time of every frame in seconds, as stated in the stream; decreases where recordings were concatenated by `cat`.
    package let frameTimes: [Double]
    /// Ascending times for sampling: where the stream's clock restarts, they continue by one frame interval.
    package let clock: [Double]
}

package struct SampledFrames: Sendable, Equatable {
    /// In order of presentation.
    package let frames: [VideoFrame]
    /// Damaged packets that were skipped.
    package let decodeErrors: Int
}

/// A clip: a video file, or a folder whose images are its frames. Frame indices and times are exact.
package protocol ClipReader {
    var path: String { get }
    var information: VideoInformation { get }

    /// Decodes the clip once for all requests. Returns the frames of each request, in the order of the requests.
    func sample(_ requests: [SampleRequest]) throws -> [SampledFrames]

    /// Decodes the clip once and passes each requested frame, with the index of its request, to `body` as soon as it is
    /// decoded, so that memory does not depend on the clip's length. Frames that cannot be decoded are omitted. Returns
    /// the number of damaged packets. Throws `VideoError`, or the error of `body`.
    @discardableResult
    func forEachFrame(_ requests: [SampleRequest], _ body: (Int, VideoFrame) throws -> Void) throws -> Int

    var limits: DecodingLimits { get }
}

extension ClipReader {
    /// Decodes the frames that `sampling` selects. `seed`: for `start: random`. Throws `VideoError`.
    package func sample(_ sampling: Sampling, seed: UInt64 = 0, framing: Framing) throws -> SampledFrames {
        try sample([SampleRequest(sampling, seed: seed, framing: framing)])[0]
    }

    /// The frames of each requested window; nil if the policy has none. Throws `VideoError.beyondLimits`.
    package func windows(_ request: SampleRequest) throws -> [[Int]]? {
        try limits.check(request, clock: information.clock, path: path)
        return request.windows(clock: information.clock)
    }

    /// Times of the requested frames in seconds. Throws `VideoError.beyondLimits`.
    package func times(_ request: SampleRequest) throws -> [Double] {
        try indices(request).map { information.frameTimes[$0] }
    }

    /// Indices of the requested frames, ascending.
    func indices(_ request: SampleRequest) throws -> [Int] {
        try limits.check(request, clock: information.clock, path: path)
        return request.indices(clock: information.clock)
    }

    @discardableResult
    package func forEachFrame(_ request: SampleRequest, _ body: (VideoFrame) throws -> Void) throws -> Int {
        try forEachFrame([request]) { try body($1) }
    }
}

/// Opens a video file or a folder of images. Throws `VideoError`.
package func openClip(path: String, limits: DecodingLimits = .standard) throws -> any ClipReader {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
        throw VideoError.missing(path: path)
    }
    return isDirectory.boolValue
        ? try ImageFolder(path: path, limits: limits) : try VideoReader(path: path, limits: limits)
}

/// For programs that allocate images in one thread and free them in another: glibc's per-thread arenas do not share
/// free memory, so the process would grow with the length of a video.
package func shareMemoryBetweenThreads() { zt_share_memory() }

/// A video file read through libavformat and libavcodec.
package final class VideoReader: ClipReader {
    package let path: String
    /// Describes the frames that can be decoded.
    package private(set) var information: VideoInformation
    package let limits: DecodingLimits
    private var table: FrameTable
    private let shape: DisplayGeometry
    private let scan: PacketScan

    /// Opens the file and reads its packets. Decodes all frames once if the packets do not determine them, and the
    /// first one if it may state its own orientation. Throws `VideoError`.
    package convenience init(path: String, limits: DecodingLimits = .standard) throws {
        try self.init(path: path, limits: limits, isFrame: false)
    }

    /// - `isFrame`: whether only the frames of an image are needed, not its size: it is then decoded once.
    init(path: String, limits: DecodingLimits, isFrame: Bool) throws {
        (self.path, self.limits) = (path, limits)
        let file = try InputFile(path: path, limits: limits)
        let size = file.size
        let tooLarge = VideoError.beyondLimits(
            path: path, reason: "its frames are of unknown size or of more than \(limits.pixels) pixels")
        if size.width > 0, size.height > 0, size.width * size.height > limits.pixels { throw tooLarge }
        scan = try PacketScan(file)
        // Sizes are stated with keyframes. FFmpeg also omits sizes that are too large for the decoder.
        if size.width <= 0 || size.height <= 0 {
            throw !scan.packets.isEmpty && scan.keys.isEmpty ? VideoError.noKeyframe(path: path) : tooLarge
        }
        guard !scan.packets.isEmpty else { throw VideoError.noFrames(path: path) }
        guard limits.allows(width: size.width, height: size.height, frames: scan.packets.count, bytes: file.bytes)
        else {
            throw VideoError.beyondLimits(
                path: path,
                reason: "\(file.bytes) bytes claim to hold \(scan.packets.count) frames of \(size.width)×\(size.height)"
            )
        }
        if let told = FrameTable(scan, file) {
            table = told
        } else {
            table = try FrameTable(decoding: InputFile(path: path, limits: limits), scan)
        }
        var shape = DisplayGeometry(file.stream)
        if scan.mayStateOrientation, !isFrame {
            shape = try DecodingPass.first(InputFile(path: path, limits: limits)).map(shape.of) ?? shape
        }
        self.shape = shape
        information = Self.information(file, table, shape)
    }

    private static func information(_ file: InputFile, _ table: FrameTable, _ shape: DisplayGeometry)
        -> VideoInformation
    {
        let shown = shape.orientation.shown(file.size)
        let span = (table.clock.last ?? 0) - (table.clock.first ?? 0)
        let measured = span > 0 ? Double(table.count - 1) / span : 0
        let nominal = file.nominalRate
        let rate = nominal > 0 && (table.isNominal || measured == 0) ? nominal : measured
        return VideoInformation(
            width: shown.width, height: shown.height, pixelAspect: shape.shownPixelAspect, frameCount: table.count,
            frameRate: rate, duration: span + (rate > 0 ? 1 / rate : 0),
            codec: String(cString: avcodec_get_name(file.codec)), frameTimes: table.times, clock: table.clock)
    }

    /// Decodes the requested frames. Falls back to decoding without seeking, and then to the frames that can be
    /// decoded, if the packets announced more.
    package func sample(_ requests: [SampleRequest]) throws -> [SampledFrames] {
        let quick = try decode(requests, jumps: true)
        // Errors may come from a packet at which decoding only seemed to be able to start.
        if quick.isWhole && (quick.jumps == 0 || quick.errors == 0) { return quick.sampled }
        if quick.jumps > 0 {
            let patient = try decode(requests, jumps: false)
            if patient.isWhole { return patient.sampled }
        }
        // The packets announced frames that the decoder did not return, as in a damaged file: sample again from those
        // that exist.
        let file = try InputFile(path: path, limits: limits)
        table = try FrameTable(decoding: file, scan)
        information = Self.information(file, table, shape)
        return try decode(requests, jumps: false).sampled
    }

    private struct Sampled {
        let sampled: [SampledFrames]
        /// Whether the decoder returned all requested frames.
        let isWhole: Bool
        let errors, jumps: Int
    }

    private func decode(_ requests: [SampleRequest], jumps: Bool) throws -> Sampled {
        let wanted = try requests.map(indices)
        var frames = requests.map { _ in [VideoFrame]() }
        let pass = try decode(requests, wanted, jumps: jumps) { frames[$0].append($1) }
        return Sampled(
            sampled: frames.map { SampledFrames(frames: $0, decodeErrors: pass.errors) },
            isWhole: zip(frames, wanted).allSatisfy { $0.count == $1.count }, errors: pass.errors, jumps: pass.jumps)
    }

    /// Decodes up to the last frame in `wanted`, of each request, and passes requested frames to `body` in order of
    /// presentation. Unneeded frames to which no other refers are not decoded. `jumps`: whether packets that no wanted
    /// frame depends on are skipped.
    private func decode(
        _ requests: [SampleRequest], _ wanted: [[Int]], jumps: Bool, _ body: (Int, VideoFrame) throws -> Void
    ) throws -> (errors: Int, jumps: Int) {
        var wanting: [Int: [Int]] = [:]
        for (request, indices) in wanted.enumerated() {
            for index in indices { wanting[index, default: []].append(request) }
        }
        let order = wanting.keys.sorted()
        if order.isEmpty { return (0, 0) }
        let pass = try DecodingPass(InputFile(path: path, limits: limits), frames: table.count)
        let scalers = requests.map {
            FrameScaler(path: path, framing: $0.framing, aspect: $0.aspect, container: shape)
        }
        var (presented, next) = (0, 0)
        if table.timestamps != nil {
            pass.isSkippable = { [table] timestamp in
                table.index(of: timestamp, counted: 0).map { wanting[$0] == nil } ?? false
            }
        }
        func entry(_ place: Int) -> Int { jumps && place < order.count ? table.firstPacket(for: order[place]) : 0 }
        try pass.run(from: entry(0)) { frame in
            let index = table.index(of: frame.timestamp, counted: presented)
            presented += 1
            guard let index, next < order.count, index >= order[next] else { return .proceed }
            for request in wanting[index] ?? [] {
                try body(request, scalers[request].frame(frame, index: index, time: table.times[index]))
            }
            while next < order.count, order[next] <= index { next += 1 }
            return next == order.count ? .stop : .jump(entry(next))
        }
        return (pass.errors, pass.jumps)
    }

    package func forEachFrame(_ requests: [SampleRequest], _ body: (Int, VideoFrame) throws -> Void) throws -> Int {
        try decode(requests, requests.map(indices), jumps: false, body).errors
    }
}
